/**
 * In: a bundle and an empty folder. Out: the bundle's files in it. Contents come from a sandbox and are not trusted:
 * nothing is written outside the folder, every link leads inside it, and no file becomes set-user-id.
 */
import { mkdir, readdir } from "node:fs/promises";
import { posix } from "node:path";
import { SandkeepError, toError } from "../errors.ts";
import { errnoOf } from "../util/errno.ts";
import type { Bundle } from "./bundles.ts";
import { filesOf, verifyBundle } from "./bundles.ts";
import { stateError } from "./files.ts";

/** Permission bits and the sticky one. */
const SAFE_MODE = 0o1777;

/** Links whose targets had to be rewritten to lead to where they led in the runtime. */
export async function extractBundle(bundle: Bundle, output: string): Promise<readonly string[]> {
  await emptyFolder(output);
  await verifyBundle(bundle);
  const { extract } = await import("tar");
  const relinked: string[] = [];
  let refusal: SandkeepError | undefined;
  try {
    await extract({
      file: filesOf(bundle),
      cwd: output,
      strict: true,
      preserveOwner: false,
      chmod: true,
      processUmask: 0,
      filter: (path, entry) => {
        if (!("linkpath" in entry)) return true;
        refusal ??= leaves(path) ? refused(path) : undefined;
        if (entry.mode !== undefined) entry.mode &= SAFE_MODE;
        if (entry.type === "Link" && leaves(entry.linkpath ?? "")) refusal ??= refused(path);
        if (entry.type === "SymbolicLink") {
          const target = insideTarget(path, entry.linkpath ?? "");
          if (target !== entry.linkpath) relinked.push(`/${path}`);
          entry.linkpath = target;
        }
        return refusal === undefined;
      },
    });
  } catch (thrown) {
    throw refusal ?? failed(bundle, output, thrown);
  }
  if (refusal !== undefined) throw refusal;
  return relinked.toSorted();
}

/** A link as seen from a root that is the folder itself: absolute targets begin there, and nothing is above it. */
export function insideTarget(path: string, target: string): string {
  const at = posix.dirname(`/${path}`);
  const resolved = posix.resolve(at, target);
  const above = target.split("/").reduce(
    ({ depth, out }, part) => {
      const next = part === ".." ? depth - 1 : part === "" || part === "." ? depth : depth + 1;
      return { depth: next, out: out || next < 0 };
    },
    { depth: at.split("/").filter((part) => part !== "").length, out: false },
  );
  if (!target.startsWith("/") && !above.out) return target;
  return posix.relative(at, resolved) || ".";
}

function leaves(path: string): boolean {
  return path.startsWith("/") || path.split("/").includes("..");
}

async function emptyFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    if ((await readdir(path)).length === 0) return;
  } catch (thrown) {
    if (errnoOf(thrown) !== "EEXIST" && errnoOf(thrown) !== "ENOTDIR")
      throw stateError("create", path, thrown);
  }
  throw new SandkeepError(`${path} is no empty folder`, {
    code: "OUTPUT_NOT_EMPTY",
    hint: "name a folder that does not exist yet",
    exitCode: 64,
  });
}

function refused(path: string): SandkeepError {
  return new SandkeepError(`the bundle's ${path} would lead out of the folder`, {
    code: "BUNDLE_HOSTILE",
    hint: "nothing of it is to be trusted; look at files.tar by hand",
  });
}

function failed({ manifest }: Bundle, output: string, thrown: unknown): SandkeepError {
  const cause = toError(thrown);
  return new SandkeepError(`cannot extract bundle ${manifest.id} into ${output}: ${cause.message}`, {
    code: "BUNDLE_EXTRACT",
    hint: "what is in the folder is incomplete; remove it and try again",
    cause,
  });
}
