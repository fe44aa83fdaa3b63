import { SandkeepError } from "../errors.ts";
import type { Listing } from "../model/listing.ts";
import { showEngine } from "../render/style.ts";
import { listWords } from "../util/suggestion.ts";
import { EXIT } from "./exit-codes.ts";

/** What was not found may be on an engine that nobody could see: that is no answer, and never "there is none". */
export function notObserved(what: string, unobserved: Listing["unobserved"]): SandkeepError {
  const engines = unobserved.map((each) => `${showEngine(each.backend, each.host)} (${each.message})`);
  return new SandkeepError(`${what}, but ${listWords(engines)} could not be seen`, {
    code: "NOT_OBSERVED",
    kind: "unreachable",
    hint: "Try again when the engine answers.",
    exitCode: EXIT.unreachable,
  });
}
