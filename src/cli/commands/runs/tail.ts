import { renderLines } from "../../../render/runs.ts";
import { followLines } from "../../../runs/follow-run.ts";
import { lastLines } from "../../../runs/inspect-run.ts";
import { latestLog, STREAMS } from "../../../runs/read-log.ts";
import type { SelectedRun } from "../../../runs/select.ts";
import type { StreamName } from "../../../runs/time-index.ts";
import type { FleetState } from "../../../state/directory.ts";
import { EXIT, usageError } from "../../exit-codes.ts";
import { catchInterrupts } from "../../interrupts.ts";
import type { Invocation } from "../../invocation.ts";
import { styleFor } from "../../invocation.ts";
import { numberOption, switchOption, textOption } from "../../options.ts";
import { answer, answerInvalid, write } from "../../print.ts";
import { selectedRun } from "../../run-selection.ts";

const DEFAULT_LINES = 80;

export function streamsOption(invocation: Invocation): readonly StreamName[] {
  const text = textOption(invocation, "stream");
  if (text === undefined || text === "all") return STREAMS;
  const stream = STREAMS.find((each) => each === text);
  if (stream !== undefined) return [stream];
  throw usageError(`--stream is ${JSON.stringify(text)}`, "Expected stdout, stderr or all.");
}

export async function run(invocation: Invocation): Promise<number> {
  const count = numberOption(invocation, "tail", 0) ?? DEFAULT_LINES;
  const streams = streamsOption(invocation);
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const { run: selected, state } = selection;
  if (switchOption(invocation, "follow"))
    return await follow(invocation, state, selected, { count, streams });
  const { manifest, folder } = selected;
  const lines = await lastLines(folder, count, streams);
  const document = {
    run_id: manifest.run_id,
    status: manifest.status,
    latest_log: await latestLog(folder),
    lines,
  };
  await answer(invocation, document, (style) => renderLines(lines, style));
  return EXIT.ok;
}

/** Lines as they come; with --json each is a document of its own. Ctrl-C ends the looking, not the run. */
async function follow(
  invocation: Invocation,
  state: FleetState,
  { folder }: SelectedRun,
  { count, streams }: { readonly count: number; readonly streams: readonly StreamName[] },
): Promise<number> {
  const { stdout } = invocation.streams;
  const style = styleFor(invocation, stdout);
  using interrupts = catchInterrupts({ onFirst: () => undefined });
  const lines = followLines(state, folder, { count, streams, signal: interrupts.soft });
  for await (const line of lines) {
    const text = invocation.globals.json ? `${JSON.stringify(line)}\n` : renderLines([line], style);
    await write(stdout, text);
  }
  return EXIT.ok;
}
