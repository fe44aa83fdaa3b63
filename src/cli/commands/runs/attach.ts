import { followLog } from "../../../runs/follow-log.ts";
import { untilEnded } from "../../../runs/follow-run.ts";
import { signalExit } from "../../../util/signal-exit.ts";
import { EXIT } from "../../exit-codes.ts";
import { catchInterrupts } from "../../interrupts.ts";
import type { Invocation, Output } from "../../invocation.ts";
import { answer, answerInvalid, write } from "../../print.ts";
import { selectedRun } from "../../run-selection.ts";
import type { StreamName } from "../../../runs/time-index.ts";

/** The run's output from its beginning, exact; then its exit code. Ctrl-C leaves the run alone. */
export async function run(invocation: Invocation): Promise<number> {
  const { globals, streams } = invocation;
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const { run: selected, state } = selection;
  using interrupts = catchInterrupts({ onFirst: () => undefined });
  const signal = interrupts.soft;
  let over = false;
  const ended = untilEnded(state, selected.folder, signal).finally(() => {
    over = true;
  });
  const copy = async (stream: StreamName, to: Output): Promise<void> => {
    const bytes = followLog(selected.folder, stream, { from: "start", over: () => over, signal });
    for await (const chunk of bytes) await write(to, chunk);
  };
  await Promise.all([
    copy("stdout", globals.json ? streams.stderr : streams.stdout),
    copy("stderr", streams.stderr),
  ]);
  const manifest = await ended;
  if (manifest === undefined) return signalExit(interrupts.received() ?? "SIGINT");
  if (globals.json) await answer(invocation, manifest, () => "");
  // What nobody knows is no success.
  return manifest.exit_code ?? EXIT.failed;
}
