import type { SyncAnswer } from "../../model/sync.ts";
import { fleetOf } from "../../plan/survey.ts";
import { renderSync } from "../../render/sync.ts";
import { remoteWorkspaces, syncOne } from "../../stage/sync/fleet.ts";
import { listWords, nearestWord } from "../../util/suggestion.ts";
import { configFile, makeEngine } from "../engine.ts";
import { worstExitCode } from "../../plan/exit-code.ts";
import { EXIT, exitCodeOf, usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

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
  if (dry_run && action === "status")
    throw usageError("sync status has no --dry-run", "It is for pull and push.");
  await using host = await openHost(invocation);
  const engine = makeEngine(invocation, host);
  const config = await fleetOf(engine, configFile(invocation));
  if (config === undefined) throw usageError("sync needs a config", "Name one with --file.");
  if (config.status === "invalid") return await answerInvalid(invocation, config.diagnostics);
  const document: SyncAnswer = { action, dry_run, workspaces: [], exit_code: EXIT.ok };
  const codes: number[] = [];
  for (const each of remoteWorkspaces(config, agents)) {
    const { thrown, ...told } = await syncOne(engine, config, each, dry_run ? "status" : action);
    document.workspaces.push(told);
    if (thrown !== undefined) codes.push(exitCodeOf(thrown));
    const refused = told.conflicts.length > 0 || (action === "pull" && told.refusals.length > 0);
    if (refused && action !== "status") codes.push(EXIT.blocked);
  }
  document.exit_code = worstExitCode(codes);
  await answer(invocation, document, (style) => renderSync(document, style));
  return document.exit_code;
}
