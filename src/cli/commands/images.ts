import { lockImages } from "../../apply/image-lock.ts";
import { pruneImages } from "../../apply/image-prune.ts";
import { checkImages } from "../../plan/image-check.ts";
import { listImages } from "../../plan/image-list.ts";
import type { Invalid } from "../../policy/fleet.ts";
import type { Engine } from "../../reconcile.ts";
import { renderImageCheck, renderImageList, renderImageLock, renderImagePrune } from "../../render/images.ts";
import type { Style } from "../../render/style.ts";
import { listWords, nearestWord } from "../../util/suggestion.ts";
import { configFile, makeEngine } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

/** What one action answers. */
interface Answered {
  readonly document: { readonly exit_code: number };
  readonly text: (style: Style) => string;
}
type Action = (
  engine: Engine,
  invocation: Invocation,
  refs: readonly string[],
) => Promise<Answered | Invalid>;

const lock =
  (mode: "add" | "update"): Action =>
  async (engine, invocation, refs) => {
    const done = await lockImages(engine, { ...configFile(invocation), mode, refs });
    if (done.status === "invalid") return done;
    return { document: done.lock, text: (style) => renderImageLock(done.lock, style) };
  };

const ACTIONS: Readonly<Record<string, Action>> = {
  list: async (engine, invocation) => {
    const done = await listImages(engine, configFile(invocation));
    if (done.status === "invalid") return done;
    return { document: done.list, text: (style) => renderImageList(done.list, style) };
  },
  lock: lock("add"),
  update: lock("update"),
  check: async (engine, invocation) => {
    const done = await checkImages(engine, configFile(invocation));
    if (done.status === "invalid") return done;
    return { document: done.check, text: (style) => renderImageCheck(done.check, style) };
  },
  prune: async (engine, invocation) => {
    const dry_run = switchOption(invocation, "dryRun");
    const done = await pruneImages(engine, { ...configFile(invocation), dry_run });
    if (done.status === "invalid") return done;
    return { document: done.prune, text: (style) => renderImagePrune(done.prune, style) };
  },
};

/** Actions that take references. */
const NAMING: ReadonlySet<string> = new Set(["lock", "update"]);

function actionOf(name: string, refs: readonly string[], invocation: Invocation): Action {
  const known = Object.keys(ACTIONS);
  const action = known.includes(name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    const near = nearestWord(name, known);
    const hint = near === undefined ? `There are ${listWords(known)}.` : `Did you mean ${near}?`;
    throw usageError(`images has no action ${JSON.stringify(name)}`, hint);
  }
  if (refs.length > 0 && !NAMING.has(name)) throw usageError(`images ${name} takes no image names`);
  if (switchOption(invocation, "dryRun") && name !== "prune")
    throw usageError(`images ${name} has no --dry-run`, "Only images prune removes anything.");
  return action;
}

export async function run(invocation: Invocation): Promise<number> {
  const [name = "", ...refs] = invocation.args;
  const action = actionOf(name, refs, invocation);
  await using host = await openHost(invocation);
  const done = await action(makeEngine(invocation, host), invocation, refs);
  host.clear();
  if ("status" in done) return await answerInvalid(invocation, done.diagnostics);
  await answer(invocation, done.document, done.text);
  return done.document.exit_code;
}
