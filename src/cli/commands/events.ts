import type { RecordedEvent } from "../../model/recorded-event.ts";
import { renderRecordedEvent } from "../../render/recorded-event.ts";
import { followEvents } from "../../runs/follow-events.ts";
import { readEvents } from "../../state/events.ts";
import { EXIT } from "../exit-codes.ts";
import { findState } from "../held.ts";
import { catchInterrupts } from "../interrupts.ts";
import type { Invocation } from "../invocation.ts";
import { styleFor } from "../invocation.ts";
import { pastOption, switchOption } from "../options.ts";
import { answerInvalid, write } from "../print.ts";

/** What happened, one line each; with --json each is a document of its own. */
export async function run(invocation: Invocation): Promise<number> {
  const { stdout } = invocation.streams;
  const since = pastOption(invocation, "since", Date.now()) ?? 0;
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const style = styleFor(invocation, stdout);
  const show = (event: RecordedEvent): string =>
    invocation.globals.json ? `${JSON.stringify(event)}\n` : renderRecordedEvent(event, style);
  if (!switchOption(invocation, "follow")) {
    await write(stdout, (await readEvents(found.state, since)).map(show).join(""));
    return EXIT.ok;
  }
  using interrupts = catchInterrupts({ onFirst: () => undefined });
  // Nobody reads any more: the same as being told to stop.
  stdout.once("error", () => interrupts.interrupt("SIGTERM"));
  for await (const event of followEvents(found.state, { since, signal: interrupts.soft }))
    await write(stdout, show(event));
  return EXIT.ok;
}
