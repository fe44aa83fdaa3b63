import { cacheCuts } from "../model/cache.ts";
import type { ApplyResult } from "../model/outcome.ts";
import type { Plan } from "../model/plan.ts";
import { isNoOp } from "./change.ts";
import { count } from "./layout.ts";
import { showEngine } from "./style.ts";

type Counts = Plan["summary"];

const WORK: readonly (readonly [key: keyof Counts, words: string])[] = [
  ["create", "to create"],
  ["start", "to start"],
  ["update", "to update"],
  ["recreate", "to recreate"],
  ["repair", "to repair"],
  ["adopt", "to adopt"],
  ["remove", "to remove"],
];

const REST: readonly (readonly [key: keyof Counts, words: string])[] = [
  ["blocked", "blocked"],
  ["held", "held"],
  ["dormant", "dormant"],
  ["foreign", "foreign"],
];

function told(summary: Counts, table: typeof WORK): string {
  return table
    .filter(([key]) => summary[key] > 0)
    .map(([key, words]) => `${summary[key]} ${words}`)
    .join(", ");
}

/** What is blocked, held, dormant or not there has nothing done to it either, but is told as what it is. */
function upToDate({ changes, blocked, held, dormant }: Plan): string {
  const elsewhere = new Set([...blocked, ...held, ...dormant].map((each) => each.address));
  const settled = changes.filter(
    (each) => isNoOp(each) && each.object_id !== null && !elsewhere.has(each.address),
  );
  return settled.length === 0 ? "" : `${settled.length} up to date`;
}

/** One line: what would be done, then what stays, and that the plan is incomplete when it is. */
export function planSummary(plan: Plan): string {
  const networks = (plan.networks ?? []).filter((each) => each.action !== "no-op").length;
  const counted = networks === 0 ? "" : `${count(networks, "network")} to change`;
  const caches = cacheCuts(plan).length;
  const cut = caches === 0 ? "" : `${count(caches, "cache")} to cut down`;
  const work = [told(plan.summary, WORK), counted, cut].filter((part) => part !== "").join(", ");
  const rest = [upToDate(plan), told(plan.summary, REST)].filter((part) => part !== "").join(", ");
  const blind = plan.observed
    .filter((engine) => engine.status === "unobserved")
    .map((engine) => showEngine(engine.backend, engine.host));
  const head = work === "" ? "No changes" : `Plan: ${work}`;
  const tail = plan.complete ? "" : ` INCOMPLETE: ${blind.join(", ") || "something"} could not be observed.`;
  return `${head}${rest === "" ? "" : `; ${rest}`}.${tail}`;
}

/** One line after an apply. */
export function applySummary(result: ApplyResult): string {
  const { summary, caches = [] } = result;
  const cut = caches.filter((each) => each.status === "done").length;
  const uncut = caches.length - cut;
  const parts = [
    summary.done > 0 ? `${summary.done} done` : "",
    summary.failed > 0 ? `${summary.failed} failed` : "",
    summary.rolled_back > 0 ? `${summary.rolled_back} rolled back` : "",
    summary.stale > 0 ? `${summary.stale} stale` : "",
    summary.skipped > 0 ? `${summary.skipped} skipped` : "",
    cut > 0 ? `${count(cut, "cache")} cut down` : "",
    uncut > 0 ? `${count(uncut, "cache")} not cut down` : "",
  ].filter((part) => part !== "");
  const what = parts.length === 0 ? "Nothing to do" : `Applied: ${parts.join(", ")}`;
  return `${what} (${count(result.calls.write, "changing call")}).`;
}
