import { resolve } from "node:path";
import type { BundleExtract, BundleList, BundlePrune } from "../../model/salvage-bundle.ts";
import { renderBundleExtract, renderBundleList, renderBundlePrune } from "../../render/salvage.ts";
import type { Style } from "../../render/style.ts";
import { extractBundle } from "../../state/bundle-extract.ts";
import type { Bundle } from "../../state/bundles.ts";
import { findBundle, listBundles, removeBundle } from "../../state/bundles.ts";
import type { FleetState } from "../../state/directory.ts";
import { listWords, nearestWord } from "../../util/suggestion.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { findState } from "../held.ts";
import type { Invocation } from "../invocation.ts";
import { durationOption, switchOption, textOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

interface Answered {
  readonly document: { readonly exit_code: number };
  readonly text: (style: Style) => string;
}
type Action = (state: FleetState, invocation: Invocation, now: number) => Promise<Answered>;

const ageOf = ({ manifest }: Bundle, now: number): number =>
  Math.max(0, Math.round((now - Date.parse(manifest.created_at)) / 1000));

const ACTIONS: Readonly<Record<string, Action>> = {
  list: async (state, _invocation, now) => {
    const { whole, damaged } = await listBundles(state);
    const bundles = whole.map((bundle) => {
      const { format_version: _, tar: __, deleted, skipped, ...rest } = bundle.manifest;
      return {
        ...rest,
        age_s: ageOf(bundle, now),
        deleted: deleted.length,
        skipped: skipped.length,
        path: bundle.path,
      };
    });
    const document: BundleList = { bundles, damaged: [...damaged], exit_code: EXIT.ok };
    return { document, text: (style) => renderBundleList(document, style) };
  },
  extract: async (state, invocation) => {
    const [, id = ""] = invocation.args;
    const named = textOption(invocation, "output");
    if (id === "") throw usageError("no bundle is named", "`sandkeep salvage list` shows their ids.");
    if (named === undefined) throw usageError("--output is missing", "Name a folder for the files.");
    const output = resolve(invocation.cwd, named);
    const bundle = await findBundle(state, id);
    const relinked = await extractBundle(bundle, output);
    const { address, files, bytes, deleted } = bundle.manifest;
    const document: BundleExtract = {
      id: bundle.manifest.id,
      address,
      output,
      files,
      bytes,
      relinked: [...relinked],
      deleted,
      exit_code: EXIT.ok,
    };
    return { document, text: (style) => renderBundleExtract(document, style) };
  },
  prune: async (state, invocation, now) => {
    const limit = durationOption(invocation, "olderThan");
    if (limit === undefined) throw usageError("--older-than is missing", "Such as --older-than 30d.");
    const dry_run = switchOption(invocation, "dryRun");
    const bundles: BundlePrune["bundles"] = [];
    for (const bundle of (await listBundles(state)).whole) {
      const { id, address, bytes } = bundle.manifest;
      const age_s = ageOf(bundle, now);
      const goes = limit !== "off" && age_s * 1000 > limit;
      if (goes && !dry_run) await removeBundle(state, bundle);
      const status = goes ? (dry_run ? "would_remove" : "removed") : "kept";
      bundles.push({ id, address, bytes, age_s, status });
    }
    const document: BundlePrune = { dry_run, bundles, exit_code: EXIT.ok };
    return { document, text: (style) => renderBundlePrune(document, style) };
  },
};

/** Options that belong to one action. */
const OWN: readonly (readonly [key: string, flag: string, action: string])[] = [
  ["output", "--output", "extract"],
  ["olderThan", "--older-than", "prune"],
  ["dryRun", "--dry-run", "prune"],
];

function actionOf(invocation: Invocation): Action {
  const [name = "", ...rest] = invocation.args;
  const known = Object.keys(ACTIONS);
  const action = known.includes(name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    const near = nearestWord(name, known);
    const hint = near === undefined ? `There are ${listWords(known)}.` : `Did you mean ${near}?`;
    throw usageError(`salvage has no action ${JSON.stringify(name)}`, hint);
  }
  if (rest.length > (name === "extract" ? 1 : 0)) throw usageError(`salvage ${name} was given too much`);
  for (const [key, flag, owner] of OWN) {
    if (invocation.options[key] !== undefined && name !== owner)
      throw usageError(`salvage ${name} has no ${flag}`, `It belongs to salvage ${owner}.`);
  }
  return action;
}

export async function run(invocation: Invocation): Promise<number> {
  const action = actionOf(invocation);
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const { document, text } = await action(found.state, invocation, Date.now());
  await answer(invocation, document, text);
  return document.exit_code;
}
