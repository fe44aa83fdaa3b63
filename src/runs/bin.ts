/** In: a program on this machine. Out: it is where the command runs, found before any other of its name, with its hash known. */
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { chmod, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Driver, Program } from "../drivers/driver.ts";
import { SandkeepError, toError } from "../errors.ts";
import type { RunManifest } from "../model/run-manifest.ts";

/** A placed program, as the manifest tells it. */
export interface PlacedBin extends AsyncDisposable {
  readonly bin: NonNullable<RunManifest["bin"]>;
  /** For the command. */
  readonly path: string;
}

export interface BinRequest {
  readonly path: string;
  readonly cwd: string;
  readonly runId: string;
}

/** Into the runtime. Throws BIN_UNREADABLE (exit 64), or what the driver says. */
export async function placeInside(
  driver: Driver,
  objectId: string,
  { path, cwd, runId }: BinRequest,
): Promise<PlacedBin> {
  if (driver.placeProgram === undefined) {
    throw new SandkeepError("this backend cannot take a program of this machine", {
      code: "NO_PLACE_FOR_PROGRAM",
      kind: "denied",
      hint: "put it into the image or the workspace",
    });
  }
  await using file = await openBin(resolve(cwd, path));
  const { content, digest } = hashed(file.content);
  const program: Program = { id: runId, name: file.name, bytes: file.bytes, content };
  const placed = await driver.placeProgram(objectId, program);
  const bin = { path: file.path, name: file.name, bytes: file.bytes, sha256: digest() };
  return { bin, path: placed.path, [Symbol.asyncDispose]: () => placed[Symbol.asyncDispose]() };
}

/** Beside the host's own, for a session that is not sandboxed. */
export async function placeOnHost(
  { path, cwd, runId }: BinRequest,
  env: Readonly<Record<string, string | undefined>>,
): Promise<PlacedBin> {
  await using file = await openBin(resolve(cwd, path));
  const { content, digest } = hashed(file.content);
  const folder = await mkdtemp(join(tmpdir(), `sandkeep-program-${runId}-`));
  const target = join(folder, file.name);
  await writeFile(target, await buffer(content), { mode: 0o700 });
  await chmod(target, 0o700);
  return {
    bin: { path: file.path, name: file.name, bytes: file.bytes, sha256: digest() },
    path: [folder, env["PATH"]].filter(Boolean).join(":"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

interface OpenBin extends AsyncDisposable {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly content: Readable;
}

async function openBin(path: string): Promise<OpenBin> {
  try {
    // A pipe must not make it wait.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const seen = await handle.stat();
    if (!seen.isFile()) {
      await handle.close();
      throw new Error("it is no file");
    }
    const content =
      seen.size === 0
        ? Readable.from([])
        : createReadStream(path, { fd: handle, autoClose: false, start: 0, end: seen.size - 1 });
    const close = async (): Promise<void> => {
      content.destroy();
      await handle.close();
    };
    return { path, name: basename(path), bytes: seen.size, content, [Symbol.asyncDispose]: close };
  } catch (thrown) {
    throw new SandkeepError(`${path} cannot be put into the sandbox: ${toError(thrown).message}`, {
      code: "BIN_UNREADABLE",
      hint: "--bin takes the path of a program, such as ./target/debug/tool",
      exitCode: 64,
    });
  }
}

/** The hash is of what was read, not of what the file has become since. */
function hashed(source: Readable): { readonly content: Readable; readonly digest: () => string } {
  const hash = createHash("sha256");
  const content = new PassThrough();
  source.on("data", (chunk: Buffer) => void hash.update(chunk));
  source.on("error", (error) => content.destroy(error));
  source.pipe(content);
  return { content, digest: () => hash.digest("hex") };
}
