import { userInfo } from "node:os";
import { escapeText } from "../../render/escape.ts";
import { paint } from "../../render/style.ts";
import { hold } from "../../state/holds.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { findState, holdAddress, undeclaredHold } from "../held.ts";
import type { Invocation } from "../invocation.ts";
import { momentOption, textOption } from "../options.ts";
import { answer, answerInvalid, tell } from "../print.ts";

function person(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an account, as in many containers.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

export async function run(invocation: Invocation): Promise<number> {
  const address = holdAddress(invocation.args);
  const reason = textOption(invocation, "reason")?.trim();
  if (reason === undefined || reason === "") {
    throw usageError("a hold needs a reason", 'Add --reason "why it is to be left alone".');
  }
  const now = Date.now();
  const until = momentOption(invocation, "until", now);
  if (until !== undefined && until <= now)
    throw usageError("--until is in the past", "Give a later time, or +2h.");
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const held = { address, reason, by: person(), since: now, ...(until === undefined ? {} : { until }) };
  await hold(found.state, held);
  const warning = await undeclaredHold(invocation, address);
  if (warning !== undefined && !invocation.globals.quiet)
    await tell(invocation, (style) => `${paint(style, "warning", `warning: ${warning}`)}\n`);
  const ends = until === undefined ? null : new Date(until).toISOString();
  const document = { address, reason, until: ends, by: held.by, since: new Date(now).toISOString() };
  await answer(invocation, document, () => {
    const words = ends === null ? "until `sandkeep release`" : `until ${ends}`;
    return `Held: ${address}, ${words}. ${escapeText(reason)}\n`;
  });
  return EXIT.ok;
}
