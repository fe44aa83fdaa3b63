/**
 * What happens to an address: an ordered table, first row that applies wins, each with its reason.
 * Pure; the clock is a value.
 */
import type { Intent } from "../model/intent.ts";
import { formatDuration, roughDuration } from "../util/duration.ts";
import { gate } from "./disruption.ts";
import { withImage } from "./image.ts";
import { neverMade } from "./never-made.ts";
import type { Situation } from "./situation.ts";
import { startsOver } from "./starts-over.ts";
import type { Difference, Rest, Verdict } from "./verdict.ts";

export interface RuleContext {
  readonly intent: Intent;
  readonly now: number;
  /** Id of this state directory. */
  readonly owner: string;
  /** True when there is no config to say what is declared: then nothing is an orphan. */
  readonly configless: boolean;
  /** Addresses that watch leaves alone in this cycle. */
  readonly skip: ReadonlySet<string>;
  readonly selected: (address: string) => boolean;
  readonly woken: (address: string) => boolean;
  readonly replaced: (address: string) => boolean;
  /** Since when a disruption of this address has been put off, milliseconds since the epoch. */
  readonly deferredSince: (situation: Situation) => number | undefined;
}

interface Rule {
  readonly name: string;
  readonly decide: (situation: Situation, context: RuleContext) => Verdict | undefined;
}

const rest = (kind: Rest, why: string): Verdict => ({ action: "none", rest: kind, why });

const RULES: readonly Rule[] = [
  {
    name: "not asked for",
    decide: (s, c) => (c.selected(s.address) ? undefined : rest("unselected", "not among the targets")),
  },
  {
    name: "a person's hold comes before everything",
    decide: (s) => (s.hold === undefined ? undefined : rest("held", `held: ${s.hold.reason}`)),
  },
  {
    name: "back-off of watch",
    decide: (s, c) => (c.skip.has(s.address) ? rest("back-off", "waiting after a failure") : undefined),
  },
  {
    name: "somebody else is creating it",
    decide: (s) => (s.others === undefined ? undefined : waitForOthers(s.others.labels.candidate_until)),
  },
  {
    name: "nothing is ever made for it",
    decide: (s, c) => (s.ephemeral === true ? neverMade(s, c.intent) : undefined),
  },
  {
    name: "destroy asked for",
    decide: (s, c) => (c.intent.mode === "destroy" ? destroyed(s, c.intent.unprotect) : undefined),
  },
  {
    name: "no longer declared",
    decide: (s, c) => {
      if (s.desired !== undefined || c.configless) return undefined;
      if (s.current === undefined) return rest("absent", "nothing is left of it");
      if (c.intent.mode === "prune" && !c.intent.orphans)
        return rest("unselected", "orphan; prune --orphans removes it");
      return s.protected ? isProtected("it is no longer declared") : gate(s, c, orphan());
    },
  },
  { name: "missing", decide: (s, c) => (s.current === undefined ? missing(s, c) : undefined) },
  {
    name: "replacement asked for",
    decide: (s, c) => (c.replaced(s.address) ? requested(s, c) : undefined),
  },
  { name: "idle past prune.idle", decide: (s, c) => idle(s, c) },
  { name: "older than prune.max_age", decide: (s, c) => aged(s, c) },
  {
    name: "prune changes nothing else",
    decide: (s, c) => (c.intent.mode === "prune" ? rest("up-to-date", stillUsed(s)) : undefined),
  },
  { name: "must be replaced", decide: (s, c) => drifted(s, c) },
  { name: "can be mended in place", decide: (s) => mendable(s) },
  { name: "a second runtime that must be left alone", decide: (s) => doubled(s) },
];

export function decide(situation: Situation, context: RuleContext): Verdict {
  for (const rule of RULES) {
    const verdict = rule.decide(situation, context);
    if (verdict !== undefined) return named(situation, withImage(situation, verdict));
  }
  return named(situation, rest("up-to-date", "as declared"));
}

/** A replacement needs all three names of an address, and a repair the one it renames to. */
function named(s: Situation, verdict: Verdict): Verdict {
  const { foreign, repairs } = s;
  if (foreign === undefined || (verdict.action === "none" && verdict.rest !== "up-to-date")) return verdict;
  if (verdict.action === "recreate") return taken(foreign.name, foreign.why, verdict.reasons);
  const renamed = repairs.some((each) => each.kind === "rename" && each.to === foreign.name);
  const keeps = verdict.action !== "remove" && verdict.action !== "blocked";
  return renamed && keeps ? taken(foreign.name, foreign.why) : verdict;
}

function waitForOthers(until: number): Verdict {
  return {
    action: "blocked",
    rule: "candidate",
    why: "another sandkeep is creating it right now",
    fix: null,
    until,
    deferred: true,
    reasons: [],
  };
}

function isProtected(what: string): Verdict {
  return {
    action: "blocked",
    rule: "protected",
    why: `${what}, but it is protected`,
    fix: "set protect = false, or destroy it by name with --unprotect",
    until: null,
    deferred: false,
    reasons: [],
  };
}

/** Told only when nothing else is due, since an address has one verdict. */
function doubled(s: Situation): Verdict | undefined {
  if (s.spared === undefined) return undefined;
  const what = `a second runtime of this address, named ${s.spared.name}, should go`;
  if (s.spared.execs === 0) return isProtected(what);
  return {
    action: "blocked",
    rule: "busy",
    why: `${what}, but it is busy`,
    fix: null,
    until: null,
    deferred: true,
    reasons: [],
  };
}

function destroyed(s: Situation, unprotect: boolean): Verdict {
  if (s.current === undefined && s.mark === undefined && s.repairs.length === 0) {
    return rest("absent", "nothing is there");
  }
  if (s.protected && !unprotect) return isProtected("destroy was asked for");
  return {
    action: "remove",
    why: "destroy was asked for",
    cause: "requested",
    reasons: [],
    dormant: false,
    workspace: "delete",
  };
}

function orphan(): Verdict {
  return {
    action: "remove",
    why: "no longer declared",
    cause: "orphan",
    reasons: [],
    dormant: false,
    workspace: "keep",
  };
}

function taken(name: string, why: string, reasons: readonly Difference[] = []): Verdict {
  return {
    action: "blocked",
    rule: "foreign",
    why: `its name ${name} is taken by something that is not of this fleet: ${why}`,
    fix: "rename or remove that object, or give this fleet another name or name_prefix",
    until: null,
    deferred: false,
    reasons,
  };
}

function missing(s: Situation, c: RuleContext): Verdict {
  if (s.foreign !== undefined) return taken(s.foreign.name, s.foreign.why);
  const woken = c.woken(s.address);
  if (s.mark !== undefined && !woken && c.intent.mode !== "recreate")
    return rest("dormant", `dormant: ${s.mark.reason}; its next use wakes it`);
  if (c.intent.mode === "prune") return rest("absent", "not there");
  if (s.desired?.provision === "on-use" && !woken && !c.replaced(s.address)) {
    return rest("on-use", "created at its first use");
  }
  const why = s.mark === undefined ? "it does not exist" : "it is dormant and about to be used";
  return { action: "create", why, origin: "missing", reasons: [], ...startsOver(c.intent, s) };
}

function requested(s: Situation, c: RuleContext): Verdict {
  const why = "its replacement was asked for";
  if (s.protected) return isProtected(why);
  return { action: "recreate", why, origin: null, reasons: s.differences, ...startsOver(c.intent, s) };
}

function stillUsed(s: Situation): string {
  const idleMs = s.usage?.idle_ms;
  return idleMs === undefined ? "its last use is not known here" : `last used ${roughDuration(idleMs)} ago`;
}

function idle(s: Situation, c: RuleContext): Verdict | undefined {
  if (c.intent.mode === "recreate" || s.usage === undefined) return undefined;
  const given = c.intent.mode === "prune" ? c.intent.idle : undefined;
  const limit = given ?? s.desired?.settings.prune.idle ?? "off";
  const { idle_ms, busy } = s.usage;
  if (
    limit === "off" ||
    limit === 0 ||
    idle_ms === undefined ||
    busy > 0 ||
    idle_ms < limit ||
    c.woken(s.address)
  )
    return undefined;
  if (s.protected) return kept(s, c, rest("protected", `idle for ${roughDuration(idle_ms)}, but protected`));
  const why = `idle for ${roughDuration(idle_ms)}, longer than ${formatDuration(limit)}; its next use wakes it`;
  const reasons = [told(s, "idle", given === undefined ? "prune.idle" : undefined, idle_ms, limit, why)];
  return { action: "remove", why, cause: "idle", reasons, dormant: true, workspace: "keep" };
}

/** In use means busy or used within `prune.idle`: then it is replaced, otherwise removed and dormant. */
function aged(s: Situation, c: RuleContext): Verdict | undefined {
  if (c.intent.mode === "recreate" || s.usage === undefined) return undefined;
  const given = c.intent.mode === "prune" ? c.intent.older_than : undefined;
  const limit = given ?? s.desired?.settings.prune.max_age ?? "off";
  const { age_ms, idle_ms, busy } = s.usage;
  if (limit === "off" || limit === 0 || age_ms < limit) return undefined;
  if (s.protected) return kept(s, c, rest("protected", `${roughDuration(age_ms)} old, but protected`));
  const why = `${roughDuration(age_ms)} old, older than ${formatDuration(limit)}`;
  const reasons = [told(s, "age", given === undefined ? "prune.max_age" : undefined, age_ms, limit, why)];
  const idleLimit = s.desired?.settings.prune.idle ?? "off";
  // Unknown use counts as use: the gentler of the two outcomes.
  const inUse =
    busy > 0 || idle_ms === undefined || idleLimit === "off" || idle_ms < idleLimit || c.woken(s.address);
  if (inUse && s.desired === undefined)
    return rest("unselected", `${why}, but its last use is not known here`);
  const verdict: Verdict = inUse
    ? { action: "recreate", why, origin: null, reasons: [...reasons, ...s.differences] }
    : { action: "remove", why, cause: "age", reasons, dormant: true, workspace: "keep" };
  const gated = gate(s, c, verdict);
  return gated === verdict ? verdict : kept(s, c, gated);
}

/** What keeps a runtime from going keeps it from nothing else: later rows still see to what differs or is doubled. */
function kept(s: Situation, c: RuleContext, verdict: Verdict): Verdict | undefined {
  const more = s.differences.length > 0 || s.spared !== undefined;
  return more && c.intent.mode !== "prune" ? undefined : verdict;
}

function told(
  s: Situation,
  path: string,
  setting: string | undefined,
  before: number,
  limit: number,
  why: string,
): Difference {
  // A limit that was given on the command line is written nowhere.
  const source = setting === undefined ? undefined : s.desired?.provenance(setting).source;
  return {
    path,
    field: path,
    class: "recreate",
    before: roughDuration(before),
    after: formatDuration(limit),
    source: source ?? null,
    key: null,
    why,
    origin: "config",
  };
}

function drifted(s: Situation, c: RuleContext): Verdict | undefined {
  const cause = s.differences.find((each) => each.class === "recreate");
  if (cause === undefined) return undefined;
  if (s.protected) return isProtected(`it must be replaced (${cause.path})`);
  const paths = s.differences.filter((each) => each.class === "recreate").map((each) => each.path);
  const why = `${paths.join(", ")} can only be changed by replacing it`;
  return gate(s, c, { action: "recreate", why, origin: cause.origin, reasons: s.differences });
}

function mendable(s: Situation): Verdict | undefined {
  const [first] = s.differences;
  if (first === undefined) return undefined;
  const stopped = s.differences.some((each) => each.field === "state");
  const live = s.differences.filter((each) => each.field !== "state");
  if (stopped && live.length === 0) {
    return { action: "start", why: first.why, origin: "live", reasons: s.differences };
  }
  const why = `${live.map((each) => each.path).join(", ")} can be changed in place`;
  return { action: "update", why, origin: live[0]?.origin ?? first.origin, reasons: s.differences };
}
