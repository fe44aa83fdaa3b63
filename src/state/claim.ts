/**
 * A right that one process at a time holds, written in a file: the lease and the address locks.
 * In: a path, a clock, a TTL. Out: a claim with a version, or the holder that is in the way.
 * Takes over only from a dead holder, or from one that stood still for a whole TTL under this process's own eyes.
 */
import { randomUUID } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { writeDurably, writeWhole } from "../util/durable-file.ts";
import { elapsed } from "../util/elapsed.ts";
import { liveness, ownIdentity } from "../util/process-identity.ts";
import type { ProblemSink } from "./files.ts";
import { createJson, parseJson, readJson, readText, removeFile, writeJson } from "./files.ts";
import { withMutex } from "./mutex.ts";
import { processIdentitySchema } from "./processes.ts";

export const claimSchema = z.object({
  v: z.literal(1),
  /** Increases with each acquisition. */
  version: z.int().nonnegative(),
  /** Null when nobody holds it. */
  holder: processIdentitySchema
    .extend({ token: z.string(), acquired_at: z.number(), heartbeat_at: z.number() })
    .nullable(),
});
type ClaimFile = z.infer<typeof claimSchema>;
export type Holder = NonNullable<ClaimFile["holder"]>;

export interface ClaimOptions {
  readonly now: () => number;
  readonly ttlMs: number;
  /** How long to wait for a live holder. One that looks stalled is watched for a TTL in any case. */
  readonly waitMs: number;
  readonly onWait?: ((holder: Holder) => void) | undefined;
  readonly onProblem?: ProblemSink | undefined;
  /** Whether the file (and with it the version) stays after the release, and a crash of the machine as well. */
  readonly keepFile: boolean;
}

export type ClaimResult =
  { readonly held: true; readonly claim: Claim } | { readonly held: false; readonly holder: Holder };

/** What a waiting process has seen of the holder; its own monotonic clock decides, never the holder's. */
interface Sighting {
  readonly mark: string;
  readonly since: number;
}

export async function takeClaim(path: string, options: ClaimOptions): Promise<ClaimResult> {
  const started = elapsed();
  let seen: Sighting | undefined;
  let told = false;
  let beats = false;
  for (;;) {
    const watched: Sighting | undefined = seen;
    const stalled = watched !== undefined && elapsed() - watched.since >= options.ttlMs;
    const found = await attempt(path, options, stalled ? watched.mark : undefined);
    if (found.held) return found;
    const mark = markOf(found.holder);
    if (seen?.mark !== mark) {
      beats = seen !== undefined;
      seen = { mark, since: elapsed() };
    }
    const waited = elapsed() - started;
    // The clock of another machine may be wrong, so its time only decides whether watching is worthwhile.
    const looksStalled = !beats && Math.abs(options.now() - found.holder.heartbeat_at) > options.ttlMs;
    const patience = looksStalled ? Math.max(options.waitMs, options.ttlMs * 1.5) : options.waitMs;
    if (waited >= patience) return found;
    if (!told) options.onWait?.(found.holder);
    told = true;
    await sleep(Math.min(250, Math.max(10, options.ttlMs / 10)));
  }
}

function markOf(holder: Holder): string {
  return `${holder.token} ${holder.heartbeat_at}`;
}

async function attempt(
  path: string,
  options: ClaimOptions,
  stalledMark: string | undefined,
): Promise<ClaimResult> {
  // Looking first keeps a waiting process from competing for the mutex with the holder's heartbeat.
  const text = await readText(path);
  const before = text === undefined ? undefined : parseJson(text, claimSchema)?.holder;
  if (before && !takeable(before, stalledMark)) return { held: false, holder: before };
  const free = text === undefined && !options.keepFile ? await claimFree(path, options) : undefined;
  if (free instanceof Claim) return { held: true, claim: free };
  const result = await withMutex(path, async (): Promise<ClaimResult | undefined> => {
    // What was not to outlast the machine may be left without its text by a crash of it.
    if (!options.keepFile && isEmptyFile(path)) await removeFile(path);
    const file = await readJson(path, claimSchema, "quarantine", options.onProblem);
    const holder = file?.holder;
    if (holder && !takeable(holder, stalledMark)) return { held: false, holder };
    if (file === undefined && !options.keepFile) {
      const claim = await claimFree(path, options);
      if (claim instanceof Claim) return { held: true, claim };
      // Who was faster than this needed no mutex.
      if (claim === "there") return undefined;
    }
    const version = (file?.version ?? 0) + 1;
    const mine = newHolder(options);
    await writeClaim(path, { v: 1, version, holder: mine }, options);
    return { held: true, claim: new Claim(path, version, mine, options) };
  });
  return result ?? (await attempt(path, options, stalledMark));
}

function isEmptyFile(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && stat.size === 0;
}

function newHolder({ now }: ClaimOptions): Holder {
  const at = now();
  return { ...ownIdentity(), token: randomUUID(), acquired_at: at, heartbeat_at: at };
}

/** Takes what nobody holds: of all who try at once exactly one does. */
async function claimFree(path: string, options: ClaimOptions): Promise<Claim | "there" | "impossible"> {
  const holder = newHolder(options);
  const made = await createJson(path, { v: 1, version: 1, holder } satisfies ClaimFile);
  return made === "made" ? new Claim(path, 1, holder, options) : made;
}

async function writeClaim(path: string, file: ClaimFile, { keepFile }: ClaimOptions): Promise<void> {
  await writeJson(path, file, keepFile ? writeDurably : writeWhole);
}

function takeable(holder: Holder, stalledMark: string | undefined): boolean {
  return liveness(holder) === "dead" || markOf(holder) === stalledMark;
}

/**
 * Who holds it by the file alone at `now`; undefined when nobody does, or one that is known to be dead. Of another boot
 * or pid namespace only the heartbeat tells: it is believed for one TTL.
 */
export async function readHolder(path: string, now: number, ttlMs: number): Promise<Holder | undefined> {
  const holder = (await readClaim(path))?.holder ?? undefined;
  if (holder === undefined) return undefined;
  const state = liveness(holder);
  const beats = state === "alive" || (state === "unknown" && Math.abs(now - holder.heartbeat_at) < ttlMs);
  return beats ? holder : undefined;
}

/** Milliseconds after which a holder of another boot or pid namespace is no more: a machine that only slept beats again. */
const OVER = 86_400_000;

/** A holder that is no more and released nothing; undefined where nobody holds it, or somebody still may. */
export async function goneHolder(path: string, now: number): Promise<Holder | undefined> {
  const holder = (await readClaim(path))?.holder ?? undefined;
  return holder !== undefined && isGone(holder, now) ? holder : undefined;
}

function isGone(holder: Holder, now: number): boolean {
  const life = liveness(holder);
  return life === "dead" || (life === "unknown" && Math.abs(now - holder.heartbeat_at) >= OVER);
}

/** Releases what a holder that is no more has kept; false when it was no longer so. `keepFile` as the claim's own. */
export async function releaseGone(path: string, now: number, keepFile: boolean): Promise<boolean> {
  return withMutex(path, async () => {
    const file = await readClaim(path);
    if (file === undefined || file.holder === null || !isGone(file.holder, now)) return false;
    if (keepFile) await writeJson(path, { ...file, holder: null } satisfies ClaimFile);
    else await removeFile(path);
    return true;
  });
}

async function readClaim(path: string): Promise<ClaimFile | undefined> {
  return readJson(path, claimSchema, "report", undefined);
}

type OwnFile = ClaimFile & { readonly holder: Holder };

function textNow(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Owns the file and its heartbeat until disposed. */
export class Claim implements AsyncDisposable {
  readonly version: number;
  readonly #path: string;
  readonly #holder: Holder;
  readonly #options: ClaimOptions;
  readonly #timer: NodeJS.Timeout;
  #proof: { readonly text: string; readonly file: OwnFile } | undefined;
  #renewed = elapsed();
  #renewing: Promise<boolean> | undefined;
  #released = false;

  constructor(path: string, version: number, holder: Holder, options: ClaimOptions) {
    this.version = version;
    this.#path = path;
    this.#holder = holder;
    this.#options = options;
    this.#timer = setInterval(() => void this.#renew().catch(() => undefined), options.ttlMs / 3);
    this.#timer.unref();
  }

  /** False once another has it, or after the release. */
  async held(): Promise<boolean> {
    if (this.#released) return false;
    // After a long stall somebody may be about to take over; renewing first decides it under the mutex.
    if (elapsed() - this.#renewed > this.#options.ttlMs / 2) return this.#renew();
    return (await this.#own()) !== undefined;
  }

  /** One at a time: a slow disk must not pile heartbeats up. */
  async #renew(): Promise<boolean> {
    this.#renewing ??= this.#writeHeartbeat().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** The file while it is still ours. Asked before every step: a text that was found to be ours still says so. */
  async #own(): Promise<OwnFile | undefined> {
    if (this.#proof !== undefined && textNow(this.#path) === this.#proof.text) return this.#proof.file;
    const text = await readText(this.#path);
    const file = text === undefined ? undefined : parseJson(text, claimSchema);
    const holder = file?.holder;
    if (text === undefined || !file || holder?.token !== this.#holder.token) return undefined;
    this.#proof = { text, file: { ...file, holder } };
    return this.#proof.file;
  }

  async #writeHeartbeat(): Promise<boolean> {
    // Looked at before locking: the mutex would make a state directory anew that someone deleted.
    const lost = this.#released || (await this.#own()) === undefined;
    if (lost) clearInterval(this.#timer);
    if (lost) return false;
    return withMutex(this.#path, async () => {
      const file = await this.#own();
      if (this.#released || file === undefined) return false;
      const heartbeat = Math.max(this.#options.now(), file.holder.heartbeat_at + 1);
      const holder = { ...file.holder, heartbeat_at: heartbeat };
      await writeClaim(this.#path, { ...file, holder }, this.#options);
      this.#renewed = elapsed();
      return true;
    });
  }

  /** Nobody may take over what beat a moment ago, and nothing of ours is about to write it: no mutex is needed to remove it. */
  #isAlone(): boolean {
    const { keepFile, ttlMs } = this.#options;
    return !keepFile && this.#renewing === undefined && elapsed() - this.#renewed < ttlMs / 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#timer);
    if ((await this.#own()) === undefined) return;
    if (this.#isAlone()) return removeFile(this.#path);
    await withMutex(this.#path, async () => {
      const file = await this.#own();
      if (file === undefined) return;
      if (this.#options.keepFile) await writeJson(this.#path, { ...file, holder: null });
      else await removeFile(this.#path);
    });
  }
}
