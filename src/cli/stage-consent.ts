import type { Style } from "../render/style.ts";
import { finishFirst } from "./carry-out.ts";
import { confirm } from "./confirm.ts";
import type { Invocation } from "./invocation.ts";
import { styleFor } from "./invocation.ts";
import { switchOption } from "./options.ts";
import { write } from "./print.ts";

/** Shows what is about to happen and asks, unless `--yes` was given. */
export async function approveStage(
  invocation: Invocation,
  question: string,
  text: (style: Style) => string,
  shownBy = "`sandkeep stage diff`",
): Promise<boolean> {
  if (switchOption(invocation, "yes")) return true;
  const { stderr } = invocation.streams;
  await write(stderr, text(styleFor(invocation, stderr)));
  using interrupts = finishFirst(invocation, () => undefined);
  return await confirm(question, invocation.streams, interrupts, shownBy);
}
