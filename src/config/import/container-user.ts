import type { Draft } from "./draft.ts";

/** Told at the top: where the source names no user, none of its keys says as whom commands run. */
export function tellUser(draft: Draft, there: string, example: string): void {
  if (draft.lines.has("sandbox.docker.user")) return;
  draft.remarks.push(
    `${there}; sandkeep runs it as the owner of its workspace where that is a folder of the engine's own machine, may ` +
      "be written to and is not root's, and everywhere else as the image's user. " +
      `Set sandbox.docker.user, such as ${example}, to change that.`,
  );
}
