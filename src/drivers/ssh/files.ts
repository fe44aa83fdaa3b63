/** Moves files in and out as tar streams. Nothing is read or written outside the runtime's own folders. */
import { posix } from "node:path";
import { PassThrough, Transform } from "node:stream";
import type { Readable } from "node:stream";
import { SandkeepError, toError } from "../../errors.ts";
import type { Program } from "../../remote/program.ts";
import { pathText } from "../../util/byte-path.ts";
import type { ScannedEntry } from "../../util/scan-tar.ts";
import { TarScan } from "../../util/scan-tar.ts";
import { sealWorkspace } from "./apply.ts";
import { noBubblewrap, SANDBOX_HOME, sandboxOf } from "./bubblewrap.ts";
import type { SshContext } from "./context.ts";
import { broken, succeeded } from "./errors.ts";
import { openRuntime } from "./runtime.ts";
import { ANSWER } from "./scripts.ts";
import { readSshSpec } from "./spec.ts";

/** Seeds of large workspaces over slow links take their time; a connection that is gone is noticed long before. */
const TRANSFER_MS = 6 * 3_600_000;

/** `$1` a folder that must not be left, `$2` the way below it. Ends inside what `$2` names, made where it is missing. */
const ENTER = `
enter() {
  cd -P "$1" 2>/dev/null || exit ${String(ANSWER.notFound)}
  base=$PWD
  rest=$2
  while [ -n "$rest" ]; do
    part=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/};; *) rest=;; esac
    case $part in ''|.) continue;; ..) exit ${String(ANSWER.leadsOut)};; esac
    if [ "$3" = make ] && [ ! -e "$part" ] && [ ! -L "$part" ]; then mkdir "./$part" || exit ${String(ANSWER.cannotWrite)}; fi
    cd -P "./$part" 2>/dev/null || exit ${String(ANSWER.notFound)}
    case $PWD/ in "$base"/*) ;; *) exit ${String(ANSWER.leadsOut)};; esac
  done
}
`;

const UNPACK = `${ENTER}
enter "$1" "$2" make
tar -xpf - -o || exit ${String(ANSWER.cannotWrite)}
`;

/** Names begin with the last part of the path. */
const PACK = `${ENTER}
case $2 in */*) enter "$1" "\${2%/*}" look;; *) enter "$1" "" look;; esac
name=\${2##*/}
[ "$name" != .. ] || exit ${String(ANSWER.leadsOut)}
[ -e "$name" ] || [ -L "$name" ] || exit ${String(ANSWER.notFound)}
case $name in -*) name=./$name;; esac
tar -cf - "$name"
`;

interface Place {
  /** Folder that must not be left, as the program that works there sees it. */
  readonly folder: string;
  /** Where isolation is asked for, files are moved from inside it: what a command left there leads nobody out. */
  readonly within: Program["within"];
  /** Path below it, empty for itself. */
  readonly way: string;
  readonly writable: boolean;
  readonly isWorkspace: boolean;
}

export async function putFiles(
  context: SshContext,
  objectId: string,
  directory: string,
  archive: Readable,
): Promise<void> {
  const place = await placeOf(context, objectId, directory);
  if (!place.writable) throw refused(`${directory} is read-only in this runtime`);
  const checked = checkedArchive(archive);
  try {
    const { folder, way, within } = place;
    const inside = within === undefined ? {} : ({ within, onLost: "kill" } as const);
    const request = {
      script: UNPACK,
      args: [folder, way],
      stdin: checked.stream,
      timeoutMs: TRANSFER_MS,
      ...inside,
    };
    const result = await context.connection.script(request);
    if (checked.failure() !== undefined) throw toError(checked.failure());
    succeeded(result, `unpack into ${directory}`);
  } catch (thrown) {
    throw checked.failure() ?? thrown;
  } finally {
    archive.destroy();
  }
  // What was begun and not finished keeps its other name, and is never taken for a workspace.
  if (place.isWorkspace && place.way === "") await sealWorkspace(context, objectId);
}

/**
 * The same bytes, read along: an entry that would leave the folder, or an archive that ends early, breaks them off before
 * the host has seen all of it.
 */
function checkedArchive(archive: Readable): {
  readonly stream: Readable;
  readonly failure: () => SandkeepError | undefined;
} {
  let failure: SandkeepError | undefined;
  const escapes = new Escapes();
  const scan = new TarScan("the files to be copied", (entry) => {
    const why = escapes.of(entry);
    if (why !== undefined) throw refused(`the archive's ${pathText(entry.path)} ${why}`);
  });
  const checking = (check: () => void): SandkeepError | null => {
    try {
      if (failure === undefined) check();
    } catch (thrown) {
      if (!(thrown instanceof SandkeepError)) throw thrown;
      failure = thrown;
    }
    return failure ?? null;
  };
  const stream = new Transform({
    // A window of the host's, so that what is read here is ahead of what goes there.
    highWaterMark: 2 * 1024 * 1024,
    transform: (chunk: Buffer, _encoding, done) =>
      done(
        checking(() => scan.write(chunk)),
        chunk,
      ),
    flush: (done) => done(checking(() => scan.end())),
  });
  // Told by `failure`, whether anybody reads by then or not.
  stream.on("error", () => undefined);
  archive.once("error", (thrown: unknown) => {
    failure ??= new SandkeepError(`what was to be copied broke off: ${toError(thrown).message}`, {
      code: "SSH_ARCHIVE_BROKE_OFF",
      hint: "try again",
    });
    stream.destroy(failure);
  });
  archive.pipe(stream);
  return { stream, failure: () => failure };
}

/** Links are kept as they are; nothing is written through one of the archive's own. */
class Escapes {
  readonly #links = new Set<string>();

  /** Why an entry may not be unpacked; undefined when it stays inside. */
  of({ path, kind, target }: ScannedEntry): string | undefined {
    const plain = posix.normalize(path).replace(/\/$/, "");
    if (leaves(plain)) return "would be written outside the target folder";
    for (let at = posix.dirname(plain); at !== "."; at = posix.dirname(at)) {
      if (this.#links.has(at)) return "would be written through a link";
    }
    if (kind === "other") return "is no file, folder or link";
    if (kind === "second" && leaves(posix.normalize(target))) return "links outside the target folder";
    if (kind === "link") this.#links.add(plain);
    else this.#links.delete(plain);
    return undefined;
  }
}

function leaves(plain: string): boolean {
  return plain.startsWith("/") || plain === ".." || plain.startsWith("../");
}

export async function getFiles(context: SshContext, objectId: string, path: string): Promise<Readable> {
  const { folder, way, within } = await placeOf(context, objectId, path);
  // A folder of ours is packed from the one above it, so that names begin with its own.
  const args = way === "" ? [posix.dirname(folder), posix.basename(folder)] : [folder, way];
  return pack(context, { args, ...(within === undefined ? {} : { within }) }, path);
}

export async function pack(
  context: SshContext,
  what: Pick<Program, "args" | "within">,
  path: string,
): Promise<Readable> {
  const output = new PassThrough();
  const complaints = new PassThrough();
  let said = "";
  complaints.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2_000)));
  const first = new Promise<void>((resolve) => output.once("readable", resolve));
  const running = await context.connection.run({
    script: PACK,
    onLost: "kill",
    ...what,
    stdout: output,
    stderr: complaints,
  });
  const finish = async (): Promise<void> => {
    const code = await running.result;
    // Files that change or go while they are read are told by tar as well, with 1.
    const result = { code: code === 1 ? 0 : code, stdout: Buffer.alloc(0), stderr: said };
    succeeded(result, `read ${path}`);
  };
  const done = finish();
  await Promise.race([done, first]);
  done.then(
    () => output.end(),
    (thrown: unknown) => output.destroy(toError(thrown)),
  );
  return output;
}

/** Where a path of the runtime is on the host. */
async function placeOf(context: SshContext, objectId: string, path: string): Promise<Place> {
  const runtime = await openRuntime(context, objectId);
  const { dir, manifest } = runtime;
  if (manifest === undefined) throw broken(objectId);
  const spec = readSshSpec(manifest.fields);
  const target = spec["workspace.target"];
  const workspace = runtime.workspace ?? `${dir}/workspace`;
  const isolated = spec["ssh.isolation"] === "bubblewrap";
  if (isolated && !runtime.hasBubblewrap) throw noBubblewrap(context.host.name);
  const within = isolated ? sandboxOf(dir, workspace, spec, true) : undefined;
  const roots = [
    { at: target, folder: workspace, inside: target },
    { at: SANDBOX_HOME, folder: `${dir}/home`, inside: SANDBOX_HOME },
    { at: `${dir}/home`, folder: `${dir}/home`, inside: SANDBOX_HOME },
    { at: `${dir}/tmp`, folder: `${dir}/tmp`, inside: "/tmp" },
    { at: "/tmp", folder: `${dir}/tmp`, inside: "/tmp" },
  ];
  const wanted = posix.normalize(path);
  for (const { at, folder, inside } of roots) {
    const way = posix.relative(at, wanted);
    if (!wanted.startsWith("/") || leaves(way)) continue;
    const isWorkspace = at === target;
    const writable = !isWorkspace || spec["workspace.access"] !== "ro" || way === "";
    return { folder: isolated ? inside : folder, way, within, isWorkspace, writable };
  }
  throw refused(`${path} is not in the runtime's workspace, home or tmp`);
}

function refused(message: string): SandkeepError {
  return new SandkeepError(message, {
    code: "SSH_PATH_REFUSED",
    kind: "denied",
    hint: "use a path below the workspace, /tmp, or /home/sandbox",
  });
}
