/**
 * In: the decisions of a plan and `[rollout]`. Out: in which order its replacements and its changes in place are made,
 * and which of them wait for which. Pure, and the same for the same decisions: who goes first is who stands first by
 * address.
 */
import type { Modules } from "../desire/desire.ts";
import type { Decision } from "../diff/diff.ts";
import { rolledOut, rolloutCauses } from "../diff/rollout.ts";
import type { GraphNode } from "../model/plan.ts";
import type { RolloutPlace, RolloutSettings } from "../model/rollout.ts";
import { engineKey } from "../observe/engines.ts";

export interface Placed {
  readonly place: RolloutPlace;
  /** Must have succeeded before it is begun. */
  readonly needs: readonly Decision[];
  /** Must have ended before it is begun, however they ended. */
  readonly after: readonly Decision[];
}

interface Member {
  readonly decision: Decision;
  readonly causes: readonly string[];
  /** Place of its rollout's first member: what they have in common is this number. */
  group: number;
}

/** All that a rollout says the time of, each with its place, in the order in which they are begun. */
export function placeRollouts(
  decisions: readonly Decision[],
  settings: RolloutSettings,
  modules: Modules,
): ReadonlyMap<Decision, Placed> {
  const members = grouped(membersOf(decisions, modules));
  const sizes = new Map<number, number>();
  const first: Member[] = [];
  const rest: Member[] = [];
  for (const member of members) sizes.set(member.group, (sizes.get(member.group) ?? 0) + 1);
  const begun = new Map<number, number>();
  for (const member of members) {
    const size = sizes.get(member.group) ?? 1;
    const index = begun.get(member.group) ?? 0;
    begun.set(member.group, index + 1);
    // Who is alone proves nothing to anybody, and needs no proof by another.
    (settings.canary === 0 || size === 1 || index < settings.canary ? first : rest).push(member);
  }
  const waves = [...chunks(first, settings.max_parallel), ...chunks(rest, settings.max_parallel)];
  const awaited = new Set(rest.map(({ group }) => group));
  const placed = new Map<Decision, Placed>();
  for (const [index, wave] of waves.entries()) {
    for (const member of wave) {
      const canary = settings.canary > 0 && awaited.has(member.group) && first.includes(member);
      placed.set(member.decision, placedAt(member, index, canary, waves, settings));
    }
  }
  return placed;
}

function placedAt(
  { causes, group }: Member,
  index: number,
  canary: boolean,
  waves: readonly Member[][],
  settings: RolloutSettings,
): Placed {
  const earlier = waves.slice(0, index).findLast((wave) => wave.some((each) => each.group === group));
  const before = settings.max_parallel === "off" ? [] : (waves[index - 1] ?? []);
  const own = (earlier ?? []).filter((each) => each.group === group).map((each) => each.decision);
  const others = before.map((each) => each.decision).filter((each) => !own.includes(each));
  const pauses = settings.pause_on_failure;
  const waits = [...own, ...others].map(({ situation }) => situation.address);
  return {
    place: {
      canary,
      wave: index + 1,
      waits_for: [...new Set<string>(waits)].toSorted(),
      pauses,
      causes: [...causes],
    },
    needs: pauses ? own : [],
    after: pauses ? others : [...own, ...others],
  };
}

function orderOf({ situation }: Decision): string {
  return `${situation.address} ${engineKey(situation)}`;
}

function membersOf(decisions: readonly Decision[], modules: Modules): Member[] {
  return decisions
    .flatMap((decision) => {
      const verdict = rolledOut(decision, modules);
      return verdict === undefined ? [] : [{ decision, causes: rolloutCauses(verdict) }];
    })
    .toSorted((a, b) => (orderOf(a.decision) < orderOf(b.decision) ? -1 : 1))
    .map((member, group) => ({ ...member, group }));
}

/** Who shares a cause with another, directly or through a third, is of one rollout. */
function grouped(members: Member[]): readonly Member[] {
  const parent = members.map((_, index) => index);
  const rootOf = (index: number): number => {
    let root = index;
    while (parent[root] !== root) root = parent[root] ?? root;
    parent[index] = root;
    return root;
  };
  const known = new Map<string, number>();
  for (const [index, { causes }] of members.entries()) {
    for (const cause of causes) {
      const [low, high] = [rootOf(known.get(cause) ?? index), rootOf(index)].toSorted((a, b) => a - b);
      if (low !== undefined && high !== undefined) parent[high] = low;
      known.set(cause, index);
    }
  }
  for (const [index, member] of members.entries()) member.group = rootOf(index);
  return members;
}

function chunks<T>(values: readonly T[], size: number | "off"): T[][] {
  if (values.length === 0) return [];
  if (size === "off") return [[...values]];
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size),
  );
}

/** A change's own nodes, the first of which waits for the last nodes of those that it stands behind. */
export function linkRollout(
  graphs: ReadonlyMap<Decision, readonly GraphNode[]>,
  placed: ReadonlyMap<Decision, Placed>,
): GraphNode[] {
  const lastOf = (decision: Decision): string[] => {
    const last = graphs.get(decision)?.findLast((node) => !node.compensates);
    return last === undefined ? [] : [last.id];
  };
  const linked: GraphNode[] = [];
  for (const [decision, { needs, after }] of placed) {
    const nodes = graphs.get(decision) ?? [];
    const first = nodes.find((node) => !node.compensates);
    for (const node of nodes) {
      linked.push(
        node === first
          ? {
              ...node,
              depends_on: [...node.depends_on, ...needs.flatMap(lastOf)],
              after: [...node.after, ...after.flatMap(lastOf)],
            }
          : node,
      );
    }
  }
  return linked;
}
