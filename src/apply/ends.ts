import type { GraphNode } from "../model/plan.ts";
import { keyOf } from "../plan/chain.ts";

/** How changes ended, for those of other changes that wait for it. */
export interface ChangeEnds {
  /** Resolves once everything has ended that these nodes wait for: why they must not be begun, if so. */
  awaited(nodes: readonly GraphNode[]): Promise<string | undefined>;
  /** The change of these nodes has ended; `failure` is why it was not made. */
  ended(nodes: readonly GraphNode[], failure: string | undefined): void;
}

interface End {
  readonly settled: Promise<string | undefined>;
  readonly settle: (failure: string | undefined) => void;
}

/**
 * A change is begun or not as a whole, so whatever node of another change it waits for, it waits for that change's end.
 * Even what will not be begun waits for all of them first: those behind it count on their having ended.
 */
export function changeEnds(graph: readonly GraphNode[]): ChangeEnds {
  const known = new Set(graph.filter(({ op }) => op !== "fetch" && op !== "network").map(({ id }) => id));
  const ends = new Map<string, End>();
  for (const node of graph) {
    for (const id of [...node.depends_on, ...node.after]) {
      if (known.has(id) && keyOf(id) !== keyOf(node.id) && !ends.has(id)) ends.set(id, makeEnd());
    }
  }
  const waits = (node: GraphNode, ids: readonly string[]): Promise<string | undefined>[] =>
    ids.flatMap((id) => (keyOf(id) === keyOf(node.id) ? [] : (ends.get(id)?.settled ?? [])));
  return {
    async awaited(nodes) {
      const needs = nodes.flatMap((node) => waits(node, node.depends_on));
      const failures = await Promise.all(needs);
      await Promise.all(nodes.flatMap((node) => waits(node, node.after)));
      return failures.find((failure) => failure !== undefined);
    },
    ended(nodes, failure) {
      for (const { id } of nodes) ends.get(id)?.settle(failure);
    },
  };
}

function makeEnd(): End {
  let resolve: End["settle"] | undefined;
  const settled = new Promise<string | undefined>((settle) => {
    resolve = settle;
  });
  return { settled, settle: (failure) => resolve?.(failure) };
}
