import type { Decision } from "../diff/diff.ts";
import type { Capabilities } from "../model/capabilities.ts";
import type { GraphNode, Op } from "../model/plan.ts";
import type { SalvageSettings } from "../model/salvage.ts";
import { BUILT_IN } from "../resolve/defaults.ts";
import { keyOfEffect } from "./node-effect.ts";

/** Seconds a step may take before its outcome counts as unknown; a stop that is given longer says so itself. */
export const TIMEOUT_S = {
  fetch: seconds(BUILT_IN.timeouts.fetch),
  create: 60,
  seed: seconds(BUILT_IN.timeouts.seed),
  start: 60,
  setup: seconds(BUILT_IN.timeouts.setup),
  verify: 30,
  health: 300,
  rename: 30,
  stop: 660,
  update: 60,
  collect: 3600,
  weigh: 3600,
  salvage: 3600,
  remove: 120,
  forget: 120,
  mark: 30,
  network: 180,
} as const satisfies Record<Op, number>;

export function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}

/** What tells one kind of node from another, besides what all share. */
export type NodeDetail = GraphNode extends infer N
  ? N extends GraphNode
    ? Omit<N, CommonKey> & { readonly id: string; readonly cause: string; readonly timeout_s?: number }
    : never
  : never;
type CommonKey =
  | "id"
  | "address"
  | "backend"
  | "host"
  | "depends_on"
  | "after"
  | "on_failure"
  | "compensates"
  | "idempotency_key"
  | "timeout_s"
  | "cause";

export interface GraphContext {
  readonly decision: Decision;
  readonly capabilities: Capabilities;
  /** Null for changes that leave nothing behind. */
  readonly spec_key: string | null;
  /** The spec has setup commands. */
  readonly setup: boolean;
  /** The spec says how to tell that it is ready, which then has to be proved whatever the lifecycle. */
  readonly ready: boolean;
  /** What was asked for is also looked at from inside. */
  readonly attest: boolean;
  /** The workspace is a copy that starts empty. */
  readonly seed: boolean;
  /** An image that the engine lacks: fetched once for all changes that need it. */
  readonly fetch: GraphNode | undefined;
  /** What is kept of a runtime that goes; undefined where nothing is. */
  readonly salvage: SalvageSettings | undefined;
  /** What its agent did elsewhere is in its stage here before that is deleted. */
  readonly collect: boolean;
  /** The step that makes or mends the network it is on. */
  readonly network?: GraphNode | undefined;
}

/** A change's nodes, in order; ids, edges and keys depend on nothing but the change itself. */
export interface Chain {
  readonly nodes: GraphNode[];
  /** The id that a node of this change has. */
  idOf(name: string): string;
  /** The next step also waits for a node of another change. */
  after(id: string): void;
  /** Appends a step that needs the one before it; `onFailure` are ids of compensations. */
  add(detail: NodeDetail, onFailure?: readonly string[]): void;
  /** A node that runs only when a step that names it fails. */
  compensation(detail: NodeDetail): string;
}

/**
 * What the ids of a change's nodes begin with: an address has one primary on an engine, and beside it runtimes of
 * passing roles, which go by their object ids.
 */
export function changeKey(place: {
  readonly address: string;
  readonly backend: string;
  readonly host: string;
  readonly object_id?: string | null;
}): string {
  const { address, backend, host, object_id = null } = place;
  return `${address}@${backend}@${host}${object_id === null ? "" : `@${object_id}`}`;
}

/** The key of the change that a node belongs to. */
export function keyOf(nodeId: string): string {
  return nodeId.slice(0, nodeId.lastIndexOf("#"));
}

export function startChain(context: GraphContext): Chain {
  const { backend, host, address, desired, current } = context.decision.situation;
  const nodes: GraphNode[] = [];
  let waitsFor: string[] = [];
  const passing = current === undefined || current.labels.role === "primary" ? null : current.object_id;
  const key = changeKey({ address, backend, host, object_id: passing });
  const idOf = (name: string): string => `${key}#${name}`;
  const build = (
    detail: NodeDetail,
    depends_on: string[],
    onFailure: readonly string[],
    compensates: boolean,
  ): string => {
    const id = idOf(detail.id);
    const node: GraphNode = {
      ...detail,
      id,
      address,
      backend,
      host,
      depends_on,
      after: [],
      on_failure: [...onFailure],
      compensates,
      idempotency_key: "",
      timeout_s: detail.timeout_s ?? TIMEOUT_S[detail.op],
    };
    nodes.push({ ...node, idempotency_key: keyOfEffect(node, desired?.spec_hash, current?.object_id) });
    return id;
  };
  return {
    nodes,
    idOf,
    after: (id) => void waitsFor.push(id),
    add(detail, onFailure = []) {
      waitsFor = [build(detail, waitsFor, onFailure, false)];
    },
    compensation: (detail) => build(detail, [], [], true),
  };
}

/** Fetching is shared: one node for each image that some change needs and its engine lacks. */
export function fetchNode(image: { backend: string; host: string; ref: string; policy: string }): GraphNode {
  const { backend, host, ref, policy } = image;
  // Under two policies one reference may be two images.
  const id = `fetch@${backend}@${host}#${ref} ${policy}`;
  const node: GraphNode = {
    op: "fetch",
    id,
    address: "",
    backend,
    host,
    ref,
    policy,
    depends_on: [],
    after: [],
    on_failure: [],
    compensates: false,
    idempotency_key: "",
    timeout_s: TIMEOUT_S.fetch,
    cause: `the engine lacks ${ref}`,
  };
  return { ...node, idempotency_key: keyOfEffect(node) };
}
