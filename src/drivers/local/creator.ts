/** Tells whether the process that began something is still at it, so that a killed one blocks nobody. */
import { stat } from "node:fs/promises";
import type { ProcessIdentity } from "../../util/process-identity.ts";
import { liveness } from "../../util/process-identity.ts";
import { unlessMissing } from "../../util/errno.ts";

/** A creator of whom nothing is known has given up when its folder stood still for so long; filling one takes a moment. */
const STILL_MS = 60_000;

/** Part of a file name; the fields are encoded, so that a comma parts them whatever they hold. */
export function creatorText(creator: ProcessIdentity): string {
  const { pid, start_time, boot_id, pid_namespace, host } = creator;
  return [String(pid), start_time, boot_id, pid_namespace, host].map(encodeURIComponent).join(",");
}

/** False for a creator that is dead, and for one that cannot be asked and left its folder alone for long. */
export async function isAtWork(creator: string, folder: string): Promise<boolean> {
  const identity = identityIn(creator);
  const life = identity === undefined ? "unknown" : liveness(identity);
  if (life !== "unknown") return life === "alive";
  const found = await unlessMissing(stat(folder));
  // A clock that was put back must not keep a dead creator at work for ever.
  return found !== undefined && Math.abs(Date.now() - found.mtimeMs) < STILL_MS;
}

function identityIn(text: string): ProcessIdentity | undefined {
  try {
    const [pid, start_time, boot_id, pid_namespace, host] = text.split(",").map(decodeURIComponent);
    if (start_time === undefined || boot_id === undefined) return undefined;
    if (pid_namespace === undefined || host === undefined) return undefined;
    // A pid below one would ask about groups of processes.
    if (!/^[1-9][0-9]{0,9}$/.test(pid ?? "")) return undefined;
    return { pid: Number(pid), start_time, boot_id, pid_namespace, host };
  } catch {
    return undefined;
  }
}
