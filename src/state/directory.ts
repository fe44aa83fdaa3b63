/**
 * The state directory: history, caches and the single-writer right of one machine.
 * In: paths, values and the time. Out: files below `<base>/fleets/<fleet>`, every write atomic, every read tolerant.
 * Losing all of it loses history, never safety; so nothing here may decide what happens to a runtime.
 */
import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { encodeFileName } from "../util/file-name.ts";
import { createdText } from "./created-file.ts";
import type { ProblemSink } from "./files.ts";
import { readText } from "./files.ts";

/** Where one fleet's files live. Names only: making one creates nothing. */
export interface FleetState {
  readonly base: string;
  readonly dir: string;
  readonly fleet: string;
  /** Told of every file that could not be read; the read then goes on without it. */
  readonly onProblem?: ProblemSink;
}

/** `flag`, else `$SANDKEEP_STATE_DIR`, else `$XDG_STATE_HOME/sandkeep`, else `~/.local/state/sandkeep`; absolute. */
export function stateDirectory(env: Readonly<Record<string, string | undefined>>, flag?: string): string {
  const named = flag || env["SANDKEEP_STATE_DIR"];
  if (named) return resolve(named);
  const xdg = env["XDG_STATE_HOME"];
  // The XDG rules say that a relative path is to be ignored.
  if (xdg && isAbsolute(xdg)) return join(xdg, "sandkeep");
  return join(env["HOME"] || homedir(), ".local", "state", "sandkeep");
}

export function fleetState(base: string, fleet: string, onProblem?: ProblemSink): FleetState {
  const dir = join(base, "fleets", encodeFileName(fleet));
  return { base, dir, fleet, ...(onProblem === undefined ? {} : { onProblem }) };
}

export const OWNER = /^[0-9a-f]{16}$/;

/** What `readOwnerId` answers before this state directory has an id. */
const UNOWNED = "unowned";

/** Random id of this state directory, 16 hex characters; created at the first use, one winner under races. */
export async function ownerId(base: string, onProblem?: ProblemSink): Promise<string> {
  const text = await createdText(
    join(base, "owner-id"),
    () => `${randomBytes(8).toString("hex")}\n`,
    (found) => OWNER.test(found.trim()),
    onProblem,
  );
  return text.trim();
}

/** The id without creating one, for callers that may not write. */
export async function readOwnerId(base: string): Promise<string> {
  const text = (await readText(join(base, "owner-id")))?.trim();
  return text !== undefined && OWNER.test(text) ? text : UNOWNED;
}
