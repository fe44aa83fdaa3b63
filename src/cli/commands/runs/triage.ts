import type { Triage } from "../../../model/triage.ts";
import { renderBundle } from "../../../render/bundles.ts";
import { renderTriage } from "../../../render/run-care.ts";
import { triageRun } from "../../../runs/triage.ts";
import { bundle } from "../../bundling.ts";
import { configFile, fleetName, makeEngine } from "../../engine.ts";
import { EXIT, usageError } from "../../exit-codes.ts";
import { openHost } from "../../hosts/host.ts";
import type { Invocation } from "../../invocation.ts";
import { numberOption, switchOption, textOption } from "../../options.ts";
import { answer, answerInvalid } from "../../print.ts";
import { repeat } from "../../repeat.ts";
import { selectedRun } from "../../run-selection.ts";

const DEFAULT_LINES = 40;

/** Exits with 1 when the bundle it made is not as declared, else with --rerun with the repetition's code, else with 0. */
export async function run(invocation: Invocation): Promise<number> {
  const lines = numberOption(invocation, "tail", 0) ?? DEFAULT_LINES;
  if (textOption(invocation, "bin") !== undefined && !switchOption(invocation, "rerun"))
    throw usageError("--bin is for what runs again", "Give --rerun with it.");
  const selection = await selectedRun(invocation, { latestFailed: true });
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const { run: selected, state } = selection;
  const triage = await look(invocation, { state, run: selected, lines });
  if (!invocation.globals.json)
    await answer(invocation, triage, (style) => renderTriage(triage, style, Date.now()));
  const strict = switchOption(invocation, "bundleStrictVerify");
  const wanted = switchOption(invocation, "bundle") || strict;
  const made = wanted ? await bundle(invocation, state, selected, { verify: true, strict }) : null;
  if (made !== null && !invocation.globals.json)
    await answer(invocation, made, (style) => renderBundle(made, style));
  const repeated = switchOption(invocation, "rerun")
    ? await repeat(invocation, selected.manifest)
    : undefined;
  if (repeated?.status === "invalid") return await answerInvalid(invocation, repeated.diagnostics);
  const rerun =
    repeated === undefined
      ? null
      : { rerun_of: repeated.rerun_of, differences: repeated.differences, run: repeated.run };
  const document: Triage = { ...triage, rerun, bundle: made };
  if (invocation.globals.json) await answer(invocation, document, () => "");
  if (made?.verification?.ok === false) return EXIT.failed;
  return repeated?.run.exit_code ?? EXIT.ok;
}

async function look(
  invocation: Invocation,
  request: Omit<Parameters<typeof triageRun>[1], "place">,
): ReturnType<typeof triageRun> {
  await using host = await openHost(invocation);
  const place = { ...configFile(invocation), ...fleetName(invocation) };
  return await triageRun(makeEngine(invocation, host), { ...request, place });
}
