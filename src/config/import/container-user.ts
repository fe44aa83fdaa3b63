import type { Draft } from "./draft.ts";
import { type Engine, USUAL_ENGINE } from "./engines.ts";

/** Told at the top: where the source names no user, none of its keys says as whom commands run. */
export function tellUser(
  draft: Draft,
  there: string,
  example: string,
  engines: readonly Engine[] = [USUAL_ENGINE],
): void {
  const unsaid = engines.map((engine) => `sandbox.${engine}.user`).filter((key) => !draft.lines.has(key));
  if (unsaid.length === 0) return;
  draft.remarks.push(
    `${there}; sandkeep runs it as the owner of its workspace where that is a folder of the engine's own machine, may ` +
      "be written to and is not root's, and everywhere else as the image's user. " +
      `Set ${unsaid.join(" and ")}, such as ${example}, to change that.`,
  );
}
