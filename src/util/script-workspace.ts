/**
 * In: a way to start scripts of ours in a workspace's folder, wherever that is. Out: the workspace, open. What the scripts
 * say is taken for nothing but names and contents: who works there may have written it.
 */
import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { toError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { bytesOf } from "./byte-path.ts";
import type {
  KnownHash,
  OpenWorkspace,
  WorkspaceChange,
  WorkspaceEntry,
  WorkspaceTree,
} from "./open-workspace.ts";
import { isSyncFolder, SYNC_FOLDER } from "./open-workspace.ts";
import type { ReadTarEntry } from "./read-tar.ts";
import { readTar } from "./read-tar.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar-header.ts";
import { cutOff, failed, odd } from "./workspace-faults.ts";
import { HASH, LIST, READ, WRITE } from "./workspace-scripts.ts";

export interface WorkspaceScript {
  /** POSIX sh; `$1` and on are `args`. */
  readonly script: string;
  readonly args: readonly string[];
  readonly stdin?: Readable;
  /** Ended by whoever runs it. */
  readonly stdout: PassThrough;
}

/** Runs a script to its end. Rejects when that is not known. */
export type RunScript = (
  script: WorkspaceScript,
) => Promise<{ readonly code: number; readonly said: string }>;

export interface ScriptPlace extends AsyncDisposable {
  readonly run: RunScript;
  /** Options of the tar that unpacks there. */
  readonly tarOptions: string;
}

const WHAT = "the workspace";

export function scriptWorkspace(place: ScriptPlace): OpenWorkspace {
  const { run } = place;
  return {
    list: async (known) => await list(run, known),
    read: async (paths) => answer(run, { script: READ, args: [], stdin: namesOf(paths) }).output,
    write: async (change) => await write(place, change),
    [Symbol.asyncDispose]: async () => await place[Symbol.asyncDispose](),
  };
}

function namesOf(paths: readonly BytePath[]): Readable {
  return Readable.from(
    paths.map((path) => Buffer.concat([Buffer.from("./"), bytesOf(path), Buffer.alloc(1)])),
  );
}

/** What a script says, as it comes; it breaks off where the script failed. */
function answer(
  run: RunScript,
  script: Omit<WorkspaceScript, "stdout">,
): { readonly output: PassThrough; readonly ended: Promise<void> } {
  const output = new PassThrough();
  const finish = async (): Promise<void> => {
    const { code, said } = await run({ ...script, stdout: output });
    if (code !== 0) throw failed(code, said);
    output.end();
  };
  const ended = finish();
  ended.catch((thrown: unknown) => output.destroy(toError(thrown)));
  return { output, ended };
}

async function list(run: RunScript, known: KnownHash): Promise<WorkspaceTree> {
  const { output, ended } = answer(run, { script: LIST, args: [] });
  try {
    const tree = await readList(run, output, known);
    await ended;
    return tree;
  } catch (thrown) {
    // Why the script failed says more than that its answer was cut.
    await ended;
    throw thrown;
  }
}

async function readList(run: RunScript, output: PassThrough, known: KnownHash): Promise<WorkspaceTree> {
  const [kind, rest] = await firstLine(output);
  if (kind === "T") return await readArchive(rest);
  if (kind !== "L") throw cutOff();
  return await withHashes(run, readListing(await buffer(rest)), known);
}

/** Two bytes, and what comes after them. */
async function firstLine(output: PassThrough): Promise<readonly [string, Readable]> {
  const chunks = output[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const { done, value } = await chunks.next();
    if (done === true) throw cutOff();
    head = Buffer.concat([head, Buffer.from(value)]);
  }
  async function* rest(): AsyncGenerator<Buffer> {
    if (head.length > 2) yield head.subarray(2);
    for (;;) {
      const { done, value } = await chunks.next();
      if (done === true) return;
      yield Buffer.from(value);
    }
  }
  return [head.toString("latin1", 0, 1), Readable.from(rest())];
}

const LETTERS: Readonly<Record<string, WorkspaceEntry["kind"]>> = { f: "file", d: "folder", l: "link" };

function readListing(bytes: Buffer): Map<BytePath, WorkspaceEntry> {
  const fields = bytes.toString("latin1").split("\0");
  if (fields.at(-2) !== "END" || fields.length % 6 !== 2) throw cutOff();
  const tree = new Map<BytePath, WorkspaceEntry>();
  for (let at = 0; at + 6 < fields.length; at += 6) {
    const [letter = "", mode = "", size = "", sign = "", path = "", target = ""] = fields.slice(at, at + 6);
    if (isSyncFolder(path)) continue;
    const kind = LETTERS[letter] ?? "other";
    const count = Number(size);
    const bits = Number.parseInt(mode, 8);
    if (!isPlainPath(path) || !Number.isSafeInteger(count) || !Number.isSafeInteger(bits)) throw odd(path);
    tree.set(path, {
      kind,
      mode: kind === "link" ? 0 : bits & 0o7777,
      size: kind === "file" ? count : 0,
      sha256: "",
      sign: kind === "file" ? sign : "",
      ...(kind === "link" ? { target } : {}),
    });
  }
  return tree;
}

/** It names something below what it is joined to. */
function isPlainPath(path: BytePath): boolean {
  return path !== "" && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

const HASHED = /^([0-9a-f]{64}) [ *]\.\//;

async function withHashes(
  run: RunScript,
  tree: Map<BytePath, WorkspaceEntry>,
  known: KnownHash,
): Promise<WorkspaceTree> {
  const unknown: BytePath[] = [];
  for (const [path, entry] of tree) {
    if (entry.kind !== "file") continue;
    const sha256 = known(path, entry.sign);
    if (sha256 === undefined) unknown.push(path);
    else tree.set(path, { ...entry, sha256 });
  }
  if (unknown.length === 0) return tree;
  const { output, ended } = answer(run, { script: HASH, args: [], stdin: namesOf(unknown) });
  const said = (await buffer(output)).toString("latin1").split("\0");
  await ended;
  if (said.length !== unknown.length + 1) throw cutOff();
  for (const [nth, path] of unknown.entries()) {
    const text = said[nth] ?? "";
    const [head = "", sha256 = ""] = HASHED.exec(text) ?? [];
    const entry = tree.get(path);
    if (entry === undefined || sha256 === "" || text.slice(head.length) !== path) throw cutOff();
    tree.set(path, { ...entry, sha256 });
  }
  return tree;
}

/** The same from an archive of everything. */
export async function readArchive(archive: Readable): Promise<WorkspaceTree> {
  const tree = new Map<BytePath, WorkspaceEntry>();
  for await (const entry of readTar(archive, WHAT)) {
    const path = plainPath(entry.path);
    if (path === "" || isSyncFolder(path)) continue;
    if (!isPlainPath(path)) throw odd(path);
    tree.set(path, await entryOf(entry, tree));
  }
  return tree;
}

/** Archives name what is in a folder from that folder on. */
export function plainPath(path: BytePath): BytePath {
  return path === "." ? "" : path.replace(/^\.\//, "");
}

async function entryOf(entry: ReadTarEntry, tree: WorkspaceTree): Promise<WorkspaceEntry> {
  const { kind, mode, size, target, contents } = entry;
  const none = { size: 0, sha256: "", sign: "" };
  if (kind === "second") {
    const first = tree.get(plainPath(target));
    if (first?.kind !== "file") throw odd(entry.path);
    return first;
  }
  if (kind === "link") return { kind, mode: 0, ...none, target };
  if (kind !== "file") return { kind, mode, ...none };
  const hash = createHash("sha256");
  for await (const chunk of contents) hash.update(chunk);
  return { kind, mode, size, sha256: hash.digest("hex"), sign: "" };
}

async function write(place: ScriptPlace, change: WorkspaceChange): Promise<void> {
  const stdin = Readable.from(archiveOf(change));
  const { output, ended } = answer(place.run, { script: WRITE, args: [place.tarOptions], stdin });
  // What could not be read here is why it broke off there.
  const broke = new Promise<never>((_resolve, reject) => stdin.once("error", reject));
  const said = await Promise.race([buffer(output).catch(() => ended.then(() => Buffer.alloc(0))), broke]);
  await ended;
  if (said.toString("latin1") !== "DONE\n") throw cutOff();
}

const here = (path: BytePath): BytePath => `./${path}`;

async function* archiveOf(change: WorkspaceChange): AsyncGenerator<Buffer> {
  const none = { mtime: 0, uid: 0, gid: 0 };
  const folder = (path: string): Buffer => tarHeader({ path, kind: "folder", mode: 0o700, size: 0, ...none });
  const file = (name: string, texts: readonly BytePath[]): Buffer => {
    const bytes = bytesOf(texts.map((each) => `${each}\0`).join(""));
    const path = `${SYNC_FOLDER}/${name}`;
    const head = tarHeader({ path, kind: "file", mode: 0o600, size: bytes.length, ...none });
    return Buffer.concat([head, bytes, tarPadding(bytes.length)]);
  };
  yield folder(SYNC_FOLDER);
  yield file("delete", change.deleted.map(here));
  yield file("folders", change.deletedFolders.map(here));
  yield file("closed", change.closed.map(here));
  yield file(
    "modes",
    change.modes.flatMap(([path, mode]) => [mode.toString(8).padStart(5, "0"), here(path)]),
  );
  yield folder(`${SYNC_FOLDER}/new`);
  yield* change.contents(`${SYNC_FOLDER}/new/`);
  yield file("whole", []);
  yield TAR_END;
}
