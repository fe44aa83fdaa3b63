/**
 * The gate of a network: a small container on two networks, the closed one and the engine's bridge, that runs our
 * proxy. In: a network and its rules. Out: a gate that listens, made anew whenever what is there is not exactly that.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../../errors.ts";
import { ROLE_LABEL } from "../../model/labels.ts";
import type { Owner } from "../../model/ownership.ts";
import { ownerIn } from "../../model/ownership.ts";
import type { GateSpec, ObservedGate } from "../../model/network.ts";
import { GATE_URL, OWN_NETWORK, ownerOfNetwork } from "../../model/network.ts";
import type { NetworkRequest } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isGone } from "./errors.ts";
import { GATE_READY, gateText } from "./gate-text.ts";
import { isOwned, ownershipLabels } from "./volumes.ts";
import type { ListedContainer } from "./wire-container.ts";
import { readContainers, readContainer } from "./wire-container.ts";
import { readCreated, time } from "./wire.ts";

/** On a gate, the engine name of its network. */
export const GATE_LABEL = "sandkeep.gate";
/** On a network and on its gate, the key of the network. */
export const NETWORK_LABEL = "sandkeep.network";
const LABEL = { gate: GATE_LABEL, hash: "sandkeep.gate-hash" } as const;
/** The engine's own way out; every engine has it. */
const UPLINK = "bridge";
const ALIAS = new URL(GATE_URL).hostname;
const READY_TRIES = 150;
const READY_PAUSE_MS = 200;
const WRITE_TIMEOUT_MS = 120_000;

/**
 * Upstream name server of what stands behind a gate: its own loopback, where nobody answers. Engines forward what they
 * cannot resolve to the machine's servers, also from internal networks, and a name that is looked up can carry data.
 */
export const NO_NAMES = "127.0.0.1";

/** A runtime's own network goes by the name of the runtime. */
export function ownNetworkName(runtime: string): string {
  return `${runtime}-${OWN_NETWORK}`;
}

function gateName(network: string): string {
  return `${network}-gate`;
}

export function isGate(labels: Readonly<Record<string, string>>): boolean {
  return labels[LABEL.gate] !== undefined;
}

/** Engine name of the network that a gate is for. */
export function gatedNetwork({ Labels }: Pick<ListedContainer, "Labels">): string {
  return Labels[LABEL.gate] ?? "";
}

const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/** How programs are told of the gate; what the config says of these variables stands. */
export function gateEnv(env: Readonly<Record<string, string>>): string[] {
  const proxies = PROXY_VARIABLES.map((name) => [name, GATE_URL] as const);
  const told = [...proxies, ["NO_PROXY", "localhost,127.0.0.1,::1"] as const];
  const small = told.map(([name, value]) => [name.toLowerCase(), value] as const);
  return [...told, ...small, ["NODE_USE_ENV_PROXY", "1"] as const]
    .filter(([name]) => !Object.hasOwn(env, name))
    .map(([name, value]) => `${name}=${value}`);
}

/** The gate among what is attached to a network, as a listing shows it. */
export function gateOf(
  network: { readonly id: string; readonly name: string },
  attached: readonly ListedContainer[],
): ObservedGate | undefined {
  const found = attached.find((each) => isGate(each.Labels));
  if (found === undefined) return undefined;
  const names = found.NetworkSettings.map((each) => each.name).toSorted();
  const whole =
    names.join() === [UPLINK, network.name].toSorted().join() &&
    found.NetworkSettings.every((each) => each.name !== network.name || each.id === network.id);
  const state = found.State !== "running" ? "stopped" : whole ? "running" : "broken";
  return { object_id: found.Id, state, hash: found.Labels[LABEL.hash] ?? "" };
}

export type GatedRequest = NetworkRequest & { readonly spec: { readonly gate: GateSpec } };

/** The network that a gate is for; it hears nobody else than who has an address of one of its ranges. */
export interface GatedNetwork {
  readonly id: string;
  readonly name: string;
  readonly guests: readonly string[];
}

/**
 * Leaves a gate that is right alone; anything else in its place is made anew. Answers its id. Until it listens, which is
 * awaited apart, nothing gets out.
 */
export async function ensureGate(
  engine: Engine,
  request: GatedRequest,
  network: GatedNetwork,
): Promise<string> {
  for (const stale of await gatesOf(engine, request.name, request)) {
    const seen = gateOf(network, [stale]);
    if (seen?.state === "running" && seen.hash === request.gate_hash) return stale.Id;
    await removeGate(engine, stale.Id);
  }
  const { Id } = await engine.json(
    {
      what: `create gate ${gateName(request.name)}`,
      method: "POST",
      path: "/containers/create",
      query: { name: gateName(request.name) },
      body: gateOptions(request, network.guests),
      timeout: WRITE_TIMEOUT_MS,
    },
    readCreated,
  );
  await engine.send({
    what: `connect gate ${gateName(request.name)}`,
    method: "POST",
    path: `/networks/${network.id}/connect`,
    body: { Container: Id, EndpointConfig: { Aliases: [ALIAS] } },
  });
  try {
    await engine.send({ what: "start gate", method: "POST", path: `/containers/${Id}/start` });
  } catch (thrown) {
    throw cannotRun(request, thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
  return Id;
}

function gateOptions(
  { name, network, fleet, fleet_id, spec, gate_hash }: GatedRequest,
  guests: readonly string[],
) {
  const owner = ownerOfNetwork(network);
  return {
    Image: spec.gate.image,
    Hostname: ALIAS,
    Labels: {
      ...ownershipLabels({ fleet, fleet_id, address: owner }),
      [ROLE_LABEL]: "sidecar",
      [LABEL.gate]: name,
      [LABEL.hash]: gate_hash ?? "",
      [NETWORK_LABEL]: network,
    },
    Entrypoint: ["node", "-e", gateText(spec.gate, guests)],
    Cmd: [],
    User: "65534:65534",
    WorkingDir: "/",
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      NetworkMode: UPLINK,
      // A reboot brings it back before anybody looks.
      RestartPolicy: { Name: "always" },
      Init: true,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      PidsLimit: 128,
      Memory: 256 * 1024 * 1024,
      MemorySwap: 256 * 1024 * 1024,
      // It stands on two networks and must never be a router between them.
      Sysctls: { "net.ipv4.ip_forward": "0" },
      LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "2" } },
    },
  };
}

/** Every container that calls itself a gate of this fleet's network, running or not. Another fleet's is not ours to end. */
async function gatesOf(engine: Engine, network: string, owner: Owner): Promise<ListedContainer[]> {
  const listed = await listGates(engine, { label: [`${LABEL.gate}=${network}`] });
  return listed.filter(({ Labels }) => isOwned(owner, ownerIn(Labels)));
}

function listGates(
  engine: Engine,
  filters: Readonly<Record<string, readonly string[]>>,
): Promise<ListedContainer[]> {
  return engine.json(
    { what: "list gates", method: "GET", path: "/containers/json", query: { all: true, filters } },
    readContainers,
  );
}

export async function removeGates(engine: Engine, network: string, owner: Owner): Promise<void> {
  for (const gate of await gatesOf(engine, network, owner)) await removeGate(engine, gate.Id);
}

/** One whose network is gone already, by its own id; anything else with that id stays. */
export async function removeGateAlone(engine: Engine, id: string): Promise<void> {
  const found = await listGates(engine, { id: [id], label: [LABEL.gate] });
  if (found.some((each) => each.Id === id)) await removeGate(engine, id);
}

async function removeGate(engine: Engine, id: string): Promise<void> {
  try {
    await engine.send({
      what: "remove gate",
      method: "DELETE",
      path: `/containers/${id}`,
      query: { force: true, v: true },
      timeout: WRITE_TIMEOUT_MS,
    });
  } catch (thrown) {
    if (!isGone(thrown)) throw thrown;
  }
}

/** It says so once it listens. A gate that ends instead takes its last words into the error. */
export async function awaitGate(engine: Engine, id: string, request: GatedRequest): Promise<void> {
  let said = "";
  for (let attempt = 0; attempt < READY_TRIES; attempt += 1) {
    const { State } = await engine.json(
      { what: "inspect gate", method: "GET", path: `/containers/${id}/json` },
      readContainer,
    );
    const log = await engine.bytes({
      what: "read the gate's output",
      method: "GET",
      path: `/containers/${id}/logs`,
      // All since it last ended, which is little: what it denied must not hide that it is open.
      query: { stdout: true, stderr: true, ...sinceEnd(State.FinishedAt) },
    });
    said = log.toString();
    if (State.Status === "running" && said.includes(GATE_READY)) return;
    if (State.Status === "exited" || State.Status === "restarting") break;
    await sleep(READY_PAUSE_MS);
  }
  throw cannotRun(
    request,
    said
      .replace(/[^\x20-\x7e\n]/g, "")
      .trim()
      .slice(-500),
  );
}

/** What leaves out the words of an earlier start; nothing for a container that never ended. */
export function sinceEnd(finished: string): { readonly since?: string } {
  const ended = time(finished);
  return ended === undefined ? {} : { since: (ended / 1000).toFixed(3) };
}

function cannotRun(request: { spec: { gate: GateSpec } }, why: string, cause?: unknown): SandkeepError {
  return new SandkeepError(`the egress gate does not run in image ${request.spec.gate.image}: ${why}`, {
    code: "DOCKER_GATE",
    hint: 'egress.image must hold node 16 or newer as "node", such as node:22-slim',
    ...(cause === undefined ? {} : { cause }),
  });
}
