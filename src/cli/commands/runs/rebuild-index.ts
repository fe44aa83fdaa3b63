import { rebuildIndex } from "../../../runs/rebuild-index.ts";
import { EXIT } from "../../exit-codes.ts";
import { findState } from "../../held.ts";
import type { Invocation } from "../../invocation.ts";
import { answer, answerInvalid } from "../../print.ts";
import { elapsed } from "../../../util/elapsed.ts";

/** So often at most. */
const TELL_EVERY_MS = 500;

export async function run(invocation: Invocation): Promise<number> {
  const { globals, streams } = invocation;
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  let told = elapsed();
  const index = await rebuildIndex(found.state, Date.now(), (read, total) => {
    if (globals.quiet || elapsed() - told < TELL_EVERY_MS) return;
    told = elapsed();
    streams.stderr.write(`${read} of ${total} runs read\n`);
  });
  await answer(invocation, index, () => {
    const { indexed, running, interrupted, unreadable } = index;
    const parts = [
      `${indexed} ended runs`,
      `${running} running`,
      ...(interrupted > 0 ? [`${interrupted} found interrupted`] : []),
      ...(unreadable.length > 0 ? [`${unreadable.length} unreadable`] : []),
    ];
    return `Index made from ${parts.join(", ")}.\n`;
  });
  return EXIT.ok;
}
