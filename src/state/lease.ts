import { join } from "node:path";
import { SandkeepError } from "../errors.ts";
import type { Claim, Holder } from "./claim.ts";
import { readHolder, takeClaim } from "./claim.ts";
import type { FleetState } from "./directory.ts";

const DEFAULT_TTL = 30_000;

/** The fleet's single-writer right in one state directory, held until disposed. */
export interface Lease extends AsyncDisposable {
  /** Increases with each acquisition. */
  readonly version: number;
  /** To be called before each step: rejects with LEASE_LOST when another process has taken over. */
  assertHeld(): Promise<void>;
}

export interface LeaseOptions {
  readonly now: () => number;
  /** Milliseconds a holder may stand still before another takes over. */
  readonly ttlMs?: number;
  /** Milliseconds to wait for a live holder; 0 by default. */
  readonly waitMs?: number;
  readonly onWait?: (holder: LeaseHolder) => void;
}

export interface LeaseHolder {
  readonly pid: number;
  readonly host: string;
  /** Milliseconds since the epoch, by the holder's clock. */
  readonly acquired_at: number;
}

interface Shared {
  readonly claim: Promise<Claim>;
  users: number;
}

/** Leases of this process by directory: nested flows share one, and the last to leave releases it. */
const shared = new Map<string, Shared>();
/** Releases under way: who comes right after one waits for it, or would meet its own process as the holder. */
const releasing = new Map<string, Promise<void>>();

/** Throws LEASE_HELD (exit 75) when a live process keeps it for longer than `waitMs`. */
export async function acquireLease(state: FleetState, options: LeaseOptions): Promise<Lease> {
  for (;;) {
    const entry = shared.get(state.dir) ?? share(state, options);
    entry.users += 1;
    try {
      const claim = await entry.claim;
      if (entry.users > 1 && !(await claim.held())) {
        // Lost while others of this process still use it: they are fenced, a newcomer starts afresh.
        if (shared.get(state.dir) === entry) shared.delete(state.dir);
        entry.users -= 1;
        continue;
      }
      return leaseOf(state, entry, claim);
    } catch (error) {
      if (shared.get(state.dir) === entry) shared.delete(state.dir);
      throw error;
    }
  }
}

/** For readers, who take no lease: whether another process has it at `now`. */
export async function isLeasedElsewhere(state: FleetState, now: number): Promise<boolean> {
  const holder = await readHolder(leaseFile(state), now, DEFAULT_TTL);
  return holder !== undefined && !(holder.pid === process.pid && shared.has(state.dir));
}

export function leaseFile(state: FleetState): string {
  return join(state.dir, "lease.json");
}

function share(state: FleetState, options: LeaseOptions): Shared {
  const entry: Shared = { claim: claimLease(state, options), users: 0 };
  shared.set(state.dir, entry);
  return entry;
}

async function claimLease(state: FleetState, options: LeaseOptions): Promise<Claim> {
  await releasing.get(state.dir);
  const result = await takeClaim(leaseFile(state), {
    now: options.now,
    ttlMs: options.ttlMs ?? DEFAULT_TTL,
    waitMs: options.waitMs ?? 0,
    onWait: options.onWait,
    onProblem: state.onProblem,
    keepFile: true,
  });
  if (result.held) return result.claim;
  throw heldError(state, result.holder);
}

function heldError(state: FleetState, holder: Holder): SandkeepError {
  const since = new Date(holder.acquired_at).toISOString();
  return new SandkeepError(
    `fleet ${state.fleet} is being changed by process ${holder.pid} on ${holder.host} since ${since}`,
    {
      code: "LEASE_HELD",
      hint: "Try again when it has finished; a dead or stalled holder is replaced without your help.",
      kind: "transient",
      exitCode: 75,
    },
  );
}

function leaseOf(state: FleetState, entry: Shared, claim: Claim): Lease {
  let left = false;
  return {
    version: claim.version,
    async assertHeld() {
      if (!left && (await claim.held())) return;
      throw new SandkeepError(`this process lost its right to change fleet ${state.fleet}`, {
        code: "LEASE_LOST",
        hint: "Another process took over while this one stood still; plan again.",
        exitCode: 75,
      });
    },
    async [Symbol.asyncDispose]() {
      if (left) return;
      left = true;
      entry.users -= 1;
      if (entry.users > 0) return;
      if (shared.get(state.dir) === entry) shared.delete(state.dir);
      const released = claim[Symbol.asyncDispose]();
      const settled = released.catch(() => undefined);
      releasing.set(state.dir, settled);
      await settled;
      if (releasing.get(state.dir) === settled) releasing.delete(state.dir);
      await released;
    },
  };
}
