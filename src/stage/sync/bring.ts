import { leftOut } from "../../apply/left-out.ts";
import type { BringRequest, StageNote } from "../../plan/stage-keeper.ts";
import { resolveStage } from "../../resolve/stage.ts";
import { formatBytes } from "../../util/bytes.ts";
import { stageRules } from "../rules.ts";
import { syncBusy, syncConflict } from "./answer.ts";
import { syncWorkspace } from "./sync.ts";

export interface BringDeps {
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): number;
}

/** What was done here goes there, so that nothing older than it runs. */
export async function bringThere(
  deps: BringDeps,
  id: string,
  request: BringRequest,
): Promise<readonly StageNote[]> {
  const { stateDir, env } = deps;
  const { fleet, address, source, driver, objectId, ignore, busy } = request;
  const synced = await syncWorkspace(
    {
      owner: { fleet, address },
      driver,
      objectId,
      stateDir,
      root: source,
      leftOut: await leftOut({ source, stateDir, ignore, env }),
      // Nothing comes here.
      rules: await stageRules(resolveStage(undefined), () => undefined),
      judges: true,
      id,
      now: deps.now(),
      tell: movingOf(request),
    },
    "push",
    async () => {
      if (busy > 0) throw syncBusy(address, busy);
    },
  );
  if (synced.status === "conflict") throw syncConflict(address, synced);
  if (synced.status !== "moved") return [];
  const count = synced.here.length;
  const message = `${address}: ${count} ${count === 1 ? "change" : "changes"} brought to its workspace`;
  return [{ level: "info", code: "SYNCED", message }];
}

export function movingOf({ address, tell }: Pick<BringRequest, "address" | "tell">): (bytes: number) => void {
  return progress((bytes) => tell(`${address}: moved ${formatBytes(bytes)} of the workspace`));
}

const TELL_EVERY = 4 * 1024 * 1024;

/** Now and then, of what takes long. */
export function progress(tell: (bytes: number) => void): (bytes: number) => void {
  let told = 0;
  return (bytes) => {
    if (bytes - told < TELL_EVERY) return;
    told = bytes;
    tell(bytes - (bytes % (1024 * 1024)));
  };
}
