import { SandkeepError } from "../../errors.ts";
import type { SyncAnswer } from "../../model/sync.ts";
import { fleetOf } from "../../plan/survey.ts";
import { count } from "../../render/layout.ts";
import type { Style } from "../../render/style.ts";
import { renderOverwritten, renderSync } from "../../render/sync.ts";
import { selection } from "../../stage/rules.ts";
import type { SyncOrder } from "../../stage/sync/fleet.ts";
import { remoteWorkspaces, syncOne } from "../../stage/sync/fleet.ts";
import type { BytePath } from "../../util/byte-path.ts";
import { pathText } from "../../util/byte-path.ts";
import { listWords, nearestWord } from "../../util/suggestion.ts";
import { configFile, makeEngine } from "../engine.ts";
import { worstExitCode } from "../../plan/exit-code.ts";
import { EXIT, exitCodeOf, usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { listOption, switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";
import { approveStage } from "../stage-consent.ts";

const SHOWN_BY = "the same with --dry-run";

const ACTIONS = ["pull", "push", "status"] as const;

function actionOf(name: string): (typeof ACTIONS)[number] {
  const action = ACTIONS.find((each) => each === name);
  if (action !== undefined) return action;
  const near = nearestWord(name, ACTIONS);
  const hint = near === undefined ? `There are ${listWords(ACTIONS)}.` : `Did you mean ${near}?`;
  throw usageError(`sync has no action ${JSON.stringify(name)}`, hint);
}

export async function run(invocation: Invocation): Promise<number> {
  const [name = "", ...agents] = invocation.args;
  const action = actionOf(name);
  const dry_run = switchOption(invocation, "dryRun");
  const force = switchOption(invocation, "force");
  const paths = listOption(invocation, "path");
  const given = { "--dry-run": dry_run, "--force": force, "--path": paths.length > 0 };
  const strange = Object.entries(given).find(([, isGiven]) => isGiven)?.[0];
  if (strange !== undefined && action === "status")
    throw usageError(`sync status has no ${strange}`, "It is for pull and push.");
  const named = await selection(paths);
  const wanted = (path: BytePath): boolean => named(pathText(path));
  await using host = await openHost(invocation);
  const engine = makeEngine(invocation, host);
  const config = await fleetOf(engine, configFile(invocation));
  if (config === undefined) throw usageError("sync needs a config", "Name one with --file.");
  if (config.status === "invalid") return await answerInvalid(invocation, config.diagnostics);
  const document: SyncAnswer = { action, dry_run, workspaces: [], exit_code: EXIT.ok };
  const codes: number[] = [];
  const approve: SyncOrder["approve"] = async (address, place, overwritten) => {
    const loser = action === "push" ? `on ${place}` : "here";
    const what = `${count(overwritten.length, "path")} of ${address} ${loser}`;
    const shown = (style: Style): string => renderOverwritten(overwritten, loser, style);
    if (await approveStage(invocation, `Overwrite ${what}?`, shown, SHOWN_BY)) return;
    throw new SandkeepError("the sync was not confirmed", {
      code: "DECLINED",
      hint: "Nothing was changed.",
      exitCode: EXIT.blocked,
    });
  };
  for (const each of remoteWorkspaces(config, agents)) {
    const { thrown, ...told } = await syncOne(engine, config, each, action, {
      wanted,
      force,
      dry: dry_run,
      approve,
    });
    document.workspaces.push(told);
    if (thrown !== undefined) codes.push(exitCodeOf(thrown));
    const refused = told.conflicts.length > 0 || (action === "pull" && told.refusals.length > 0);
    if (refused && action !== "status") codes.push(EXIT.blocked);
  }
  document.exit_code = worstExitCode(codes);
  await answer(invocation, document, (style) => renderSync(document, style));
  return document.exit_code;
}
