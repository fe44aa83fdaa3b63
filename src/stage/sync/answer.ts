/** What came of a sync, as people and programs are told of it. */
import { SandkeepError } from "../../errors.ts";
import type { SyncChange, SyncedWorkspace } from "../../model/sync.ts";
import { listWords } from "../../util/suggestion.ts";
import { pathText } from "../../util/byte-path.ts";
import type { Difference } from "../compare.ts";
import { kindOf } from "../compare.ts";
import { naming } from "../describe.ts";
import type { SyncConflict } from "./look.ts";
import type { Synced } from "./sync.ts";

export function toldSync(
  synced: Synced,
): Pick<SyncedWorkspace, "status" | "here" | "there" | "conflicts" | "overwritten" | "refusals"> {
  return {
    status: synced.status,
    here: synced.here.map(toldChange),
    there: synced.there.map(toldChange),
    conflicts: synced.conflicts.map(toldConflict),
    overwritten: synced.overwritten.map(toldConflict),
    refusals: synced.refusals.map(({ path, code, why, fix }) => ({ ...naming(path), code, why, fix })),
  };
}

export function toldConflict({ path, here, there }: SyncConflict): SyncedWorkspace["conflicts"][number] {
  return { ...naming(path), here, there };
}

function toldChange({ path, base, mine }: Difference): SyncChange {
  // Contents are a file's sign, which ends with its permissions.
  const rewritten = base?.sign.split(":")[0] !== mine?.sign.split(":")[0];
  const size = mine?.kind === "file" ? mine.size : null;
  return { ...naming(path), change: kindOf(base, mine, rewritten), size };
}

const MOST_NAMED = 5;

/** Of a run that would have begun with other code than there is here. */
export function syncConflict(address: string, { conflicts }: Synced): SandkeepError {
  const named = conflicts
    .slice(0, MOST_NAMED)
    .map(({ path, here, there }) => `${pathText(path)} (here: ${here}; there: ${there})`);
  const more = conflicts.length > MOST_NAMED ? [`${conflicts.length - MOST_NAMED} more`] : [];
  return new SandkeepError(`${address}: changed on both sides: ${listWords([...named, ...more])}`, {
    code: "SYNC_CONFLICT",
    hint: "nothing was moved and nothing runs; `sandkeep sync status` shows them; `sandkeep sync push --force` keeps what is here, `sync pull --force` what is there",
    exitCode: 3,
  });
}

/** Of a workspace in which somebody works. */
export function syncBusy(address: string, runs: number): SandkeepError {
  const who = runs === 1 ? "a command runs in it" : `${runs} commands run in it`;
  return new SandkeepError(`${address} is in use: ${who}, and its files would change under it`, {
    code: "SYNC_BUSY",
    kind: "transient",
    hint: "wait until it has ended, or end it: `sandkeep runs cancel`, where it is a run",
    exitCode: 75,
  });
}
