import type { DesiredRuntime } from "../../src/desire/desire.ts";
import type { Decision } from "../../src/diff/diff.ts";
import { diff } from "../../src/diff/diff.ts";
import type { DriverModule } from "../../src/drivers/driver.ts";
import type { Facts } from "../../src/model/facts.ts";
import type { Intent, PlanRequest } from "../../src/model/intent.ts";
import type { Observation, RuntimeChanges } from "../../src/model/observed.ts";
import type { GraphNode, Plan } from "../../src/model/plan.ts";
import type { PausedRollout, RolloutSettings } from "../../src/model/rollout.ts";
import type { ImageFact } from "../../src/observe/images.ts";
import { engineKey } from "../../src/observe/engines.ts";
import { imageKey } from "../../src/observe/images.ts";
import { buildPlan } from "../../src/plan/plan.ts";
import { NOW, factsOf, memory, seen } from "../support/runtimes.ts";

export interface World {
  readonly desired?: readonly DesiredRuntime[];
  readonly observations?: readonly Observation[];
  readonly module?: DriverModule;
  readonly images?: readonly ImageFact[];
  readonly facts?: Partial<Facts>;
  readonly intent?: Intent;
  readonly request?: Partial<PlanRequest>;
  readonly configless?: boolean;
  readonly skip?: readonly string[];
  readonly paused?: readonly PausedRollout[];
  readonly rollout?: Partial<RolloutSettings>;
  readonly guards?: { readonly max_destroy: number | "off"; readonly allow_empty: boolean };
  readonly fingerprints?: Readonly<Record<string, string>>;
  /** By object id. */
  readonly losses?: Readonly<Record<string, RuntimeChanges>>;
  readonly now?: number;
  readonly toolVersion?: string;
  /** Engines that only the state remembers. */
  readonly remembered?: readonly string[];
}

const GUARDS = { max_destroy: "off", allow_empty: false } as const;

function common(world: World) {
  const { module = memory, images = [], fingerprints = {} } = world;
  return {
    modules: { [module.backend]: module },
    observations: world.observations ?? [seen([])],
    images: new Map(images.map((fact) => [imageKey(fact), fact])),
    fingerprints: () => fingerprints,
    now: world.now ?? NOW,
  };
}

export function decided(world: World): Decision[] {
  return diff({
    ...common(world),
    desired: world.desired ?? [],
    facts: factsOf(world.facts),
    intent: world.intent ?? { mode: "apply" },
    configless: world.configless === true,
    skip: new Set(world.skip),
    paused: world.paused ?? [],
    guards: world.guards ?? GUARDS,
  });
}

/** A whole plan from plain values, by the stages themselves. */
export function planned(world: World): Plan {
  const { observations, ...rest } = common(world);
  const engines = observations.map((each) => engineKey(each));
  return buildPlan({
    ...rest,
    observations,
    request: { intent: world.intent ?? { mode: "apply" }, ...world.request },
    tool_version: world.toolVersion ?? "0.0.0",
    source: { fleet: "team", fleet_id: "k3v9q2", file: "/repo/sandkeep.toml", files: [] },
    decisions: decided(world),
    salvage: undefined,
    losses: new Map(Object.entries(world.losses ?? {})),
    declared: new Set(engines.filter((key) => world.remembered?.includes(key) !== true)),
    holds: world.facts?.holds ?? [],
    rollout: { max_parallel: "off", canary: 1, pause_on_failure: true, ...world.rollout },
    diagnostics: [],
  });
}

const short = (id: string): string => {
  const [, name = id] = id.split("#");
  return id.startsWith("fetch@") ? `fetch ${name}` : name;
};

/** One line a node, for golden files: its place in the chain, what it does to what, and what undoes it. */
export function graphText(plan: Plan, names: Readonly<Record<string, string>> = {}): string {
  const line = (node: GraphNode): string => {
    const { id, depends_on, after, on_failure, compensates, cause, timeout_s } = node;
    const parts = [
      compensates ? `undo ${short(id)}` : short(id),
      detail(node, names),
      depends_on.length === 0 ? "" : `after ${depends_on.map(short).join(" + ")}`,
      after.length === 0 ? "" : `once ended ${after.map(short).join(" + ")}`,
      on_failure.length === 0 ? "" : `else ${on_failure.map(short).join(", ")}`,
      `${timeout_s}s`,
      cause,
    ];
    return parts.filter((part) => part !== "").join(" | ");
  };
  const groups = new Map<string, string[]>();
  for (const node of plan.graph) {
    const head = node.id.slice(0, node.id.indexOf("#"));
    groups.set(head, [...(groups.get(head) ?? []), line(node)]);
  }
  const text = [...groups].map(([head, lines]) =>
    [`${head}:`, ...lines.map((each) => `  ${each}`)].join("\n"),
  );
  return `${text.join("\n") || "(nothing)"}\n`;
}

function detail(node: GraphNode, names: Readonly<Record<string, string>>): string {
  const named = (text: string): string => {
    const known = Object.keys(names).find((name) => text.startsWith(name));
    return known === undefined ? text : text.replace(known, names[known] ?? "");
  };
  const object = "object_id" in node ? (node.object_id ?? "the new one") : "";
  switch (node.op) {
    case "create":
      return `as ${named(node.name)}`;
    case "rename":
      return `${object} to ${named(node.to)}`;
    case "remove":
      return `${object}, ${node.workspace} workspace`;
    case "update":
      return `${object}: ${node.paths.join(", ")}`;
    case "mark":
      return node.dormant ? "dormant" : "awake";
    case "fetch":
      return node.policy;
    default:
      return object;
  }
}
