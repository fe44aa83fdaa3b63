/** What hosts lack of what runtimes are to have: it is told before anything is tried, and nothing is made without it. */
import type { DesiredRuntime } from "../desire/desire.ts";
import type { Decision } from "../diff/diff.ts";
import type { Observation } from "../model/observed.ts";
import type { Probe, ProbeReason } from "../model/posture.ts";
import type { Settings } from "../model/settings.ts";
import type { OpenEngine } from "../observe/engines.ts";
import { engineKey } from "../observe/engines.ts";
import { inTime } from "../observe/patience.ts";
import { blockedByHost } from "./degraded-hosts.ts";

/** By address; only those that lack something. */
export type Lacking = ReadonlyMap<string, readonly ProbeReason[]>;

/** Looks at hosts that were observed. One that does not answer tells nothing here, and refuses what is tried there. */
export async function lookForLacks(
  open: readonly OpenEngine[],
  observations: readonly Observation[],
  desired: readonly DesiredRuntime[],
): Promise<Lacking> {
  const seen = new Set(observations.flatMap((each) => (each.status === "complete" ? [engineKey(each)] : [])));
  const found = open.map(async (each) => {
    const key = engineKey(each.ref);
    const mine = seen.has(key) ? desired.filter((one) => engineKey(one) === key) : [];
    const settings = mine.map((one) => one.settings);
    const reasons = await lacksOf(each, settings).catch(() => []);
    return mine.map(({ address }, index) => [address, reasons[index] ?? []] as const);
  });
  return new Map((await Promise.all(found)).flat().filter(([, reasons]) => reasons.length > 0));
}

/** For each of these settings; empty for an engine that does not tell. */
export async function lacksOf(
  engine: OpenEngine,
  all: readonly Settings[],
): Promise<readonly (readonly ProbeReason[])[]> {
  if ("failure" in engine || engine.reader.lacks === undefined || all.length === 0) return [];
  return (await inTime(engine.reader.lacks(all))) ?? [];
}

/** What all lack leaves nothing to be had there; what some lack leaves the others. */
export function lackingProbe(all: readonly (readonly ProbeReason[])[]): Probe | undefined {
  const reasons = all.flat();
  if (reasons.length === 0) return undefined;
  return { status: all.every((each) => each.length > 0) ? "unavailable" : "degraded", reasons };
}

export function blockOnLacks(decisions: readonly Decision[], lacking: Lacking): Decision[] {
  return decisions.map((decision) => {
    const { situation, verdict } = decision;
    const reasons = lacking.get(situation.address) ?? [];
    const makes = verdict.action === "create" || verdict.action === "recreate" || verdict.action === "update";
    if (reasons.length === 0 || situation.desired === undefined || !makes) return decision;
    const told = reasons.map(({ code, message }) => `${message} (${code})`).join("; ");
    return blockedByHost(decision, told, reasons[0]?.fix ?? null);
  });
}
