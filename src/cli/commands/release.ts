import { release } from "../../state/holds.ts";
import { EXIT } from "../exit-codes.ts";
import { findState, holdAddress } from "../held.ts";
import type { Invocation } from "../invocation.ts";
import { answer, answerInvalid } from "../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  const address = holdAddress(invocation.args);
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const released = await release(found.state, address);
  await answer(invocation, { address, released }, () =>
    released ? `Released: ${address}\n` : `${address} was not held.\n`,
  );
  return EXIT.ok;
}
