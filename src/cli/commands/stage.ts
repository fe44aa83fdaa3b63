import { listWords, nearestWord } from "../../util/suggestion.ts";
import { makeEngine } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { answerInvalid } from "../print.ts";
import type { StageRoom } from "../stage-selection.ts";
import { findStages } from "../stage-selection.ts";

export type StageAction = (invocation: Invocation, room: StageRoom) => Promise<number>;

interface Action {
  /** Option keys that mean something to it. */
  readonly options: readonly string[];
  /** How many stages it can be told of. */
  readonly targets: 0 | 1;
  readonly load: () => Promise<{ readonly act: StageAction }>;
}

const WHOSE = ["agent", "session", "path"];

const ACTIONS: Readonly<Record<string, Action>> = {
  list: { options: [], targets: 0, load: () => import("./stage/list.ts") },
  diff: { options: [...WHOSE, "stat", "html"], targets: 1, load: () => import("./stage/diff.ts") },
  apply: { options: [...WHOSE, "reverse", "yes"], targets: 1, load: () => import("./stage/apply.ts") },
  discard: { options: [...WHOSE, "yes"], targets: 1, load: () => import("./stage/discard.ts") },
  export: { options: [...WHOSE, "output"], targets: 1, load: () => import("./stage/export.ts") },
};

const OWN = ["agent", "session", "path", "stat", "html", "reverse", "output", "yes"];

function actionOf({ args, options }: Invocation): Action {
  const [name = "", ...targets] = args;
  const known = Object.keys(ACTIONS);
  const action = known.includes(name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    const near = nearestWord(name, known);
    const hint = near === undefined ? `There are ${listWords(known)}.` : `Did you mean ${near}?`;
    throw usageError(`stage has no action ${JSON.stringify(name)}`, hint);
  }
  const strange = OWN.find((key) => options[key] !== undefined && !action.options.includes(key));
  if (strange !== undefined) {
    const holders = known.filter((each) => ACTIONS[each]?.options.includes(strange));
    throw usageError(`stage ${name} has no --${strange}`, `It is for ${listWords(holders)}.`);
  }
  if (targets.length > action.targets)
    throw usageError(`stage ${name} was given too much`, "See `sandkeep stage --help`.");
  return action;
}

export async function run(invocation: Invocation): Promise<number> {
  const action = actionOf(invocation);
  await using host = await openHost(invocation);
  const room = await findStages(invocation, makeEngine(invocation, host));
  if (room.status === "invalid") return await answerInvalid(invocation, room.diagnostics);
  const { act } = await action.load();
  return await act(invocation, room);
}
