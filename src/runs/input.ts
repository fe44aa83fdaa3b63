import type { Readable } from "node:stream";
import { finished } from "node:stream";
import type { Capabilities } from "../model/capabilities.ts";
import type { Run } from "./ending.ts";

/** An input without an end in sight is told of after so long. */
const PATIENCE_MS = 5_000;

/** What of the caller's input the command is given. Called when it is about to begin. */
export function inputOf(
  { io, engine }: Pick<Run, "io" | "engine">,
  { stdin: needs }: Pick<Capabilities, "stdin">,
): { readonly stdin?: Readable } {
  const { stdin } = io;
  if (stdin === undefined || (needs === "whole" && stdin.isTTY === true)) return {};
  if (needs === "whole") {
    const late = setTimeout(() => {
      const message =
        "waiting for the end of its input, since a build gets it whole: redirect it from /dev/null where there is none";
      engine.sink.notify({ type: "note", level: "info", code: "WAITS_FOR_INPUT", message });
    }, PATIENCE_MS).unref();
    finished(stdin, () => clearTimeout(late));
  }
  return { stdin };
}
