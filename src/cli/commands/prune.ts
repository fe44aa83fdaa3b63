import { cachesExitCode, pruneCaches } from "../../apply/prune-caches.ts";
import type { CacheBounds } from "../../model/cache.ts";
import type { PlanRequest } from "../../model/intent.ts";
import type { ApplyResult } from "../../model/outcome.ts";
import type { Plan } from "../../model/plan.ts";
import { isNoOp } from "../../render/change.ts";
import { renderPlan } from "../../render/plan.ts";
import { fleetOf } from "../../plan/survey.ts";
import { engineKey } from "../../observe/engines.ts";
import { planFleet } from "../../reconcile.ts";
import { formatBytes } from "../../util/bytes.ts";
import { formatDuration } from "../../util/duration.ts";
import { carryOut } from "../carry-out.ts";
import { configFile, fleetName, makeEngine } from "../engine.ts";
import { EXIT } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, durationOption, salvageOption, switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

/** The apply-shaped answer of a dry run: every change with its reason, none of them carried out. */
export function dryRunResult(plan: Plan): ApplyResult {
  const outcomes = plan.changes
    .filter((change) => !isNoOp(change))
    .map((change) => ({
      address: change.address,
      action: change.actions.join(", "),
      status: "skipped" as const,
      duration_ms: 0,
      error: null,
      reason: change.why,
    }));
  return {
    plan_id: plan.plan_id,
    outcomes,
    // One look per engine; a dry run has nothing that could write.
    calls: { read: plan.observed.length, write: 0 },
    summary: { done: 0, failed: 0, skipped: outcomes.length, stale: 0, rolled_back: 0 },
    exit_code: plan.exit_code,
  };
}

async function dryRun(invocation: Invocation, request: PlanRequest): Promise<number> {
  await using host = await openHost(invocation);
  const outcome = await planFleet(makeEngine(invocation, host), request);
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  const { plan } = outcome;
  await answer(invocation, dryRunResult(plan), (style) => renderPlan(plan, style, { verbose: false }));
  return plan.exit_code;
}

/** A limit that nothing reaches. */
const NEVER = Number.MAX_SAFE_INTEGER;

function limit(invocation: Invocation, key: string): number | undefined {
  const given = durationOption(invocation, key);
  return given === "off" ? NEVER : given;
}

/** Before anything else: what cannot be reached is told, and nothing is removed then. */
async function cutCaches(invocation: Invocation): Promise<number> {
  await using host = await openHost(invocation);
  const engine = makeEngine(invocation, host);
  const config = await fleetOf(engine, configFile(invocation));
  if (config === undefined) return EXIT.ok;
  if (config.status === "invalid") return await answerInvalid(invocation, config.diagnostics);
  const told = switchOption(invocation, "dryRun");
  const caches = await pruneCaches(engine, config, { dryRun: told });
  for (const { backend, host: place, bounds, failure } of caches) {
    const where = engineKey({ backend, host: place });
    const what = cacheWords(bounds);
    const message =
      failure === undefined
        ? `${where}: its cache ${told ? "would be" : "was"} cut down to ${what}`
        : `${where}: its cache could not be cut down to ${what}: ${failure.message}`;
    const level = failure === undefined ? "info" : "error";
    host.notify({ type: "note", level, code: "CACHE_PRUNED", message });
  }
  return cachesExitCode(caches);
}

function cacheWords({ max_age, max_size }: CacheBounds): string {
  return [
    ...(max_age === undefined ? [] : [`what was used in the last ${formatDuration(max_age)}`]),
    ...(max_size === undefined ? [] : [`at most ${formatBytes(max_size)}`]),
  ].join(", ");
}

export async function run(invocation: Invocation): Promise<number> {
  const idle = limit(invocation, "idle");
  const olderThan = limit(invocation, "olderThan");
  const targets = addresses(invocation.globals.targets);
  const cache = switchOption(invocation, "cache") ? await cutCaches(invocation) : EXIT.ok;
  if (cache !== EXIT.ok) return cache;
  const request: PlanRequest = {
    ...configFile(invocation),
    ...fleetName(invocation),
    ...salvageOption(invocation),
    intent: {
      mode: "prune",
      ...(targets.length === 0 ? {} : { targets }),
      ...(idle === undefined ? {} : { idle }),
      ...(olderThan === undefined ? {} : { older_than: olderThan }),
      orphans: switchOption(invocation, "orphans"),
    },
  };
  return switchOption(invocation, "dryRun")
    ? await dryRun(invocation, request)
    : await carryOut(invocation, request);
}
