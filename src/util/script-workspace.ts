/**
 * In: a way to start scripts of ours in a workspace's folder, wherever that is. Out: the workspace, open. What the scripts
 * say is taken for nothing but names and contents: who works there may have written it.
 */
import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { hasCode, toError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { bytesOf } from "./byte-path.ts";
import { archiveOf } from "./change-archive.ts";
import type {
  KnownHash,
  OpenWorkspace,
  WorkspaceChange,
  WorkspaceEntry,
  WorkspaceTree,
} from "./open-workspace.ts";
import { isSyncFolder } from "./open-workspace.ts";
import type { ReadTarEntry } from "./read-tar.ts";
import { readTar } from "./read-tar.ts";
import { cutOff, failed, odd, TOO_LARGE, tooLarge, tooQuiet } from "./workspace-faults.ts";
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

export interface AnswerLimits {
  /** Bytes of what lies there and of its hashes. */
  readonly most: number;
  /** Milliseconds in which nothing was said, though there was something to say. */
  readonly quiet: number;
}

const LIMITS: AnswerLimits = { most: 128 * 1024 * 1024, quiet: 120_000 };
/** Bytes a millisecond that a slow disk is read with, while nothing is said. */
const SLOWEST_READ = 5_000;
const WHAT = "the workspace";

export function scriptWorkspace(place: ScriptPlace, limits: AnswerLimits = LIMITS): OpenWorkspace {
  const { run } = place;
  const { quiet } = limits;
  return {
    list: async (known) => await list(run, known, limits),
    read: async (paths) => answer(run, { script: READ, args: [], stdin: namesOf(paths) }, quiet).output,
    write: async (change) => await write(place, change),
    [Symbol.asyncDispose]: async () => await place[Symbol.asyncDispose](),
  };
}

function namesOf(paths: readonly BytePath[]): Readable {
  return Readable.from(
    paths.map((path) => Buffer.concat([Buffer.from("./"), bytesOf(path), Buffer.alloc(1)])),
  );
}

interface Answer {
  readonly output: PassThrough;
  readonly ended: Promise<void>;
}

/** What a script says, as it comes; it breaks off where the script failed, or has said nothing for `quiet` milliseconds. */
function answer(run: RunScript, script: Omit<WorkspaceScript, "stdout">, quiet?: number): Answer {
  let timer: NodeJS.Timeout | undefined;
  const output = new PassThrough({
    transform: (chunk, _encoding, done) => {
      timer?.refresh();
      done(null, chunk);
    },
  });
  const silent = new Promise<never>((_resolve, reject) => {
    if (quiet === undefined) return;
    timer = setTimeout(() => {
      // What nobody has taken yet was said.
      if (output.readableLength > 0) timer?.refresh();
      else reject(tooQuiet(quiet));
    }, quiet);
  });
  output.once("close", () => clearTimeout(timer));
  const finish = async (): Promise<void> => {
    const { code, said } = await Promise.race([run({ ...script, stdout: output }), silent]);
    if (code !== 0) throw failed(code, said);
    output.end();
  };
  const ended = finish().finally(() => clearTimeout(timer));
  ended.catch((thrown: unknown) => output.destroy(toError(thrown)));
  return { output, ended };
}

/** All of it, as text of bytes. */
async function wholeOf(said: Readable, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of said) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > most) throw tooLarge(most);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("latin1");
}

async function list(run: RunScript, known: KnownHash, limits: AnswerLimits): Promise<WorkspaceTree> {
  const { output, ended } = answer(run, { script: LIST, args: [] }, limits.quiet);
  try {
    const tree = await readList(run, output, known, limits);
    await ended;
    return tree;
  } catch (thrown) {
    output.destroy();
    if (hasCode(thrown, TOO_LARGE)) throw thrown;
    // Why the script failed says more than that its answer was cut.
    await ended;
    throw thrown;
  }
}

async function readList(
  run: RunScript,
  output: PassThrough,
  known: KnownHash,
  limits: AnswerLimits,
): Promise<WorkspaceTree> {
  const [kind, rest] = await firstLine(output);
  if (kind === "T") return await readArchive(rest);
  if (kind !== "L") throw cutOff();
  return await withHashes(run, readListing(await wholeOf(rest, limits.most)), known, limits);
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

function readListing(text: string): Map<BytePath, WorkspaceEntry> {
  const fields = text.split("\0");
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
      sign,
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
  { most, quiet }: AnswerLimits,
): Promise<WorkspaceTree> {
  const unknown: BytePath[] = [];
  let bytes = 0;
  for (const [path, entry] of tree) {
    if (entry.kind !== "file") continue;
    const sha256 = known(path, entry.sign);
    if (sha256 === undefined) {
      unknown.push(path);
      bytes += entry.size;
    } else tree.set(path, { ...entry, sha256 });
  }
  if (unknown.length === 0) return tree;
  const { output, ended } = answer(
    run,
    { script: HASH, args: [], stdin: namesOf(unknown) },
    quiet + bytes / SLOWEST_READ,
  );
  const said = (await wholeOf(output, most)).split("\0");
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
