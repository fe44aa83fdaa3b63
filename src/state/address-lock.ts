import { join } from "node:path";
import { SandkeepError } from "../errors.ts";
import { encodeFileName } from "../util/file-name.ts";
import { takeClaim } from "./claim.ts";
import type { FleetState } from "./directory.ts";

/** A holder elsewhere that stood still for this many milliseconds has lost it. */
const TTL = 30_000;

/**
 * One process at a time works on an address: closes the gap between "nobody uses it" and stopping it.
 * Unlike the lease it is not shared within a process. Throws ADDRESS_BUSY (exit 75).
 */
export async function lockAddress(
  state: FleetState,
  address: string,
  options: { readonly waitMs: number },
): Promise<AsyncDisposable> {
  const result = await takeClaim(join(state.dir, "locks", `${encodeFileName(address)}.json`), {
    now: Date.now,
    ttlMs: TTL,
    waitMs: options.waitMs,
    onProblem: state.onProblem,
    keepFile: false,
  });
  if (result.held) return result.claim;
  const { pid, host, acquired_at } = result.holder;
  throw new SandkeepError(
    `${address} is in use by process ${pid} on ${host} since ${new Date(acquired_at).toISOString()}`,
    {
      code: "ADDRESS_BUSY",
      hint: "Try again when it has finished.",
      kind: "transient",
      exitCode: 75,
    },
  );
}
