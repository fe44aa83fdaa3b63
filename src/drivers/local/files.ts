/** Moves files in and out as tar streams. Nothing is read or written outside the runtime's own folders. */
import { mkdir, realpath } from "node:fs/promises";
import { basename, dirname, join, posix, relative, resolve, sep } from "node:path";
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SandkeepError } from "../../errors.ts";
import { SANDBOX_HOME } from "./bubblewrap.ts";
import type { OpenRuntime } from "./command.ts";
import { isAccessible } from "../../util/accessible.ts";
import { openRuntime } from "./command.ts";
import type { LocalContext } from "./context.ts";
import { toLocalError } from "./errors.ts";

interface Place {
  /** Real folder that must not be left. */
  readonly root: string;
  readonly path: string;
  readonly writable: boolean;
}

export async function putFiles(
  context: LocalContext,
  objectId: string,
  directory: string,
  archive: Readable,
): Promise<void> {
  const place = await placeOf(await openRuntime(context, objectId), directory);
  if (!place.writable) throw refused(`${directory} is read-only in this runtime`);
  const { extract } = await import("tar");
  let refusal: SandkeepError | undefined;
  try {
    await mkdir(place.path, { recursive: true });
    const into = await realpath(place.path);
    const accept = (path: string, entry: { readonly type?: string; readonly linkpath?: string }) => {
      const why = escapes(path, entry.linkpath, entry.type, into, place.root);
      if (why !== undefined) refusal ??= refused(`the archive's ${path} ${why}`);
      return refusal === undefined;
    };
    await pipeline(
      archive,
      extract({
        cwd: into,
        strict: true,
        preserveOwner: false,
        filter: (path, entry) => accept(path, "linkpath" in entry ? entry : {}),
      }),
    );
  } catch (thrown) {
    throw refusal ?? toLocalError(thrown, `unpack into ${directory}`);
  }
  if (refusal !== undefined) throw refusal;
}

/** Why an entry may not be unpacked; undefined when it stays inside. */
function escapes(
  path: string,
  linkpath: string | undefined,
  type: string | undefined,
  into: string,
  root: string,
): string | undefined {
  const at = resolve(into, path);
  if (path.startsWith("/") || !isInside(into, at)) return "would be written outside the target folder";
  if (type === "Link" && !isInside(into, resolve(into, linkpath ?? "")))
    return "links outside the target folder";
  if (type === "SymbolicLink" && !isInside(root, resolve(dirname(at), linkpath ?? ""))) {
    return "links outside the runtime";
  }
  return undefined;
}

export async function getFiles(context: LocalContext, objectId: string, path: string): Promise<Readable> {
  const place = await placeOf(await openRuntime(context, objectId), path);
  if (!(await isAccessible(place.path))) {
    throw new SandkeepError(`${path} does not exist in the runtime`, {
      code: "LOCAL_NOT_FOUND",
      kind: "not-found",
      hint: "check the path",
    });
  }
  const { create } = await import("tar");
  const name = basename(path);
  const output = new PassThrough();
  const source = create(
    {
      cwd: dirname(place.path),
      portable: true,
      onWriteEntry: (entry) => {
        // A workspace is called differently outside; the stream speaks of the runtime's own names.
        entry.path = join(name, relative(basename(place.path), entry.path));
      },
    },
    [`./${basename(place.path)}`],
  );
  source.on("error", (thrown: unknown) => output.destroy(toLocalError(thrown, `read ${path}`)));
  source.pipe(output);
  return output;
}

/** Where a path of the runtime really is; refused when it, or a link on the way, leads out of the runtime. */
async function placeOf(runtime: OpenRuntime, path: string): Promise<Place> {
  const roots = [
    {
      at: runtime.spec.workspace.target,
      folder: runtime.workspace,
      writable: runtime.spec.workspace.access !== "ro",
    },
    { at: SANDBOX_HOME, folder: join(runtime.dir, "home"), writable: true },
    { at: join(runtime.dir, "home"), folder: join(runtime.dir, "home"), writable: true },
    { at: runtime.tmp, folder: runtime.tmp, writable: true },
    { at: "/tmp", folder: runtime.tmp, writable: true },
  ];
  const found = roots.find(({ at }) => isInside(at, posix.normalize(path)));
  if (!path.startsWith("/") || found === undefined) {
    throw refused(`${path} is not in the runtime's workspace, home or tmp`);
  }
  const root = await realpath(found.folder);
  const wanted = join(root, posix.relative(found.at, posix.normalize(path)));
  if (!isInside(root, await realAncestor(wanted))) throw refused(`${path} leads out of the runtime`);
  return { root, path: wanted, writable: found.writable };
}

async function realAncestor(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return dirname(path) === path ? path : realAncestor(dirname(path));
  }
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !way.startsWith("/");
}

function refused(message: string): SandkeepError {
  return new SandkeepError(message, {
    code: "LOCAL_PATH_REFUSED",
    kind: "denied",
    hint: "use a path below the workspace, /tmp, or /home/sandbox",
  });
}
