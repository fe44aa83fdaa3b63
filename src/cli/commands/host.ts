import { weighHost } from "../../hosts/headroom.ts";
import { reap } from "../../hosts/reap.ts";
import { findStale, listHosts, lookAtHost } from "../../hosts/survey.ts";
import { THIS_HOST } from "../../drivers/driver.ts";
import { fleetOf } from "../../plan/survey.ts";
import type { Invalid, LoadedFleet } from "../../policy/fleet.ts";
import type { Engine } from "../../reconcile.ts";
import { renderHostList, renderReap, renderSnapshot, renderStale } from "../../render/hosts.ts";
import type { Style } from "../../render/style.ts";
import { listWords, nearestWord } from "../../util/suggestion.ts";
import { configFile, makeEngine } from "../engine.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import { finishFirst } from "../carry-out.ts";
import type { Invocation } from "../invocation.ts";
import { durationOption, switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

interface Answered {
  readonly document: { readonly exit_code: number };
  readonly text: (style: Style) => string;
}

interface Asked {
  readonly engine: Engine;
  readonly config: LoadedFleet;
  readonly invocation: Invocation;
  readonly name: string | undefined;
  readonly signal: AbortSignal;
}

const DAY_MS = 86_400_000;

/** Without it what is younger than a day may still be at work. */
function olderThan(invocation: Invocation): number {
  const given = durationOption(invocation, "olderThan");
  return given === "off" ? 0 : (given ?? DAY_MS);
}

const ACTIONS: Readonly<Record<string, (asked: Asked) => Promise<Answered>>> = {
  list: async ({ config }) => {
    const document = listHosts(config);
    return { document, text: (style) => renderHostList(document, style) };
  },
  inspect: async ({ engine, config, name = THIS_HOST }) => {
    const look = await lookAtHost(engine, config, name);
    const { snapshot } = look;
    await weighHost(engine, config, look);
    const document = { snapshot, diagnostics: [...config.diagnostics], exit_code: EXIT.ok };
    return { document, text: (style) => renderSnapshot(snapshot, style) };
  },
  stale: async ({ engine, config, invocation, name }) => {
    const { report } = await findStale(engine, config, { name, older_than: olderThan(invocation) });
    const document = { ...report, exit_code: report.unobserved.length > 0 ? EXIT.unreachable : EXIT.ok };
    return { document, text: (style) => renderStale(document, style) };
  },
  reap: async ({ engine, config, invocation, name, signal }) => {
    const found = await findStale(engine, config, { name, older_than: olderThan(invocation) });
    const document = await reap(engine, config, found, {
      dryRun: !switchOption(invocation, "apply"),
      signal,
    });
    return { document, text: (style) => renderReap(document, style) };
  },
};

/** Options that belong to some actions. */
const OWN: readonly (readonly [key: string, flag: string, actions: readonly string[]])[] = [
  ["olderThan", "--older-than", ["stale", "reap"]],
  ["dryRun", "--dry-run", ["reap"]],
  ["apply", "--apply", ["reap"]],
];

function checked(invocation: Invocation): { readonly action: string; readonly name: string | undefined } {
  const [action = "", name, ...rest] = invocation.args;
  const known = Object.keys(ACTIONS);
  if (!known.includes(action)) {
    const near = nearestWord(action, known);
    const hint = near === undefined ? `There are ${listWords(known)}.` : `Did you mean ${near}?`;
    throw usageError(`host has no action ${JSON.stringify(action)}`, hint);
  }
  if (rest.length > 0 || (action === "list" && name !== undefined))
    throw usageError(`host ${action} was given too much`);
  for (const [key, flag, actions] of OWN) {
    if (invocation.options[key] !== undefined && !actions.includes(action))
      throw usageError(`host ${action} has no ${flag}`, `It belongs to host ${listWords(actions)}.`);
  }
  if (action === "reap" && switchOption(invocation, "apply") === switchOption(invocation, "dryRun")) {
    throw usageError(
      "host reap takes either --dry-run or --apply",
      "--dry-run says what would go and why; --apply removes exactly that.",
    );
  }
  return { action, name };
}

export async function run(invocation: Invocation): Promise<number> {
  const { action, name } = checked(invocation);
  await using host = await openHost(invocation);
  using interrupts = finishFirst(invocation, () => host);
  const engine = makeEngine(invocation, host);
  const config: LoadedFleet | Invalid | undefined = await fleetOf(engine, configFile(invocation));
  if (config === undefined) throw usageError("host takes a config");
  if (config.status === "invalid") return await answerInvalid(invocation, config.diagnostics);
  const done = await ACTIONS[action]?.({ engine, config, invocation, name, signal: interrupts.soft });
  host.clear();
  if (done === undefined) return EXIT.usage;
  await answer(invocation, done.document, done.text);
  return done.document.exit_code;
}
