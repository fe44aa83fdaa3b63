import { createInterface } from "node:readline";
import { PassThrough, type Readable } from "node:stream";
import type { JsonObject } from "../../model/json.ts";
import { ADDRESS_LABEL, FLEET_LABEL } from "../../model/labels.ts";
import { ownerIn } from "../../model/ownership.ts";
import type { DriverEvent, ObserveScope } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isGate } from "./gates.ts";
import { listContainers } from "./observe.ts";
import { isOwned } from "./volumes.ts";
import { readEvent } from "./wire.ts";

type EngineEvent = ReturnType<typeof readEvent>;

/** Something happened to a gate that several runtimes share: all of them are worth a look. */
const GATE_OF_MANY = "";

/** What happens inside a container, or to its files, is use and not change. Podman tells of mounts as well. */
const USE =
  /^(?:exec|top|attach|detach|resize|commit|copy|export|archive-path|extract-to-dir|mount|unmount|sync)/;

/** Networks that nothing can be joined to or parted from without an event of another; each container of theirs tells of them. */
const CLOSED_NETWORKS: ReadonlySet<string | undefined> = new Set(["null", "host"]);

/**
 * The engine's events as hints of what to look at. Resolves once the engine has answered, that is, subscribed us.
 * A stream that ends was cut off, so its last word is that events may be missing; reconnecting is the caller's.
 */
export async function events(
  engine: Engine,
  scope: ObserveScope,
  signal: AbortSignal,
): Promise<AsyncIterable<DriverEvent>> {
  const subscribe = (filters: JsonObject): Promise<Readable> =>
    engine.stream({
      what: "subscribe to events",
      method: "GET",
      path: "/events",
      query: { filters },
      signal,
    });
  const asked = [
    subscribe({ type: ["container"], label: [`${FLEET_LABEL}=${scope.fleet}`] }),
    // What joins or leaves a network tells no labels.
    subscribe({ type: ["network"], event: ["connect", "disconnect"] }),
  ];
  const answers = await Promise.allSettled(asked);
  const streams = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  const refused = answers.find((answer) => answer.status === "rejected");
  if (refused === undefined) return read(engine, streams, scope);
  for (const stream of streams) stream.destroy();
  throw refused.reason;
}

async function* read(
  engine: Engine,
  streams: readonly Readable[],
  scope: ObserveScope,
): AsyncGenerator<DriverEvent, void, undefined> {
  try {
    for await (const line of linesOf(streams)) {
      const event = eventIn(line);
      if (event === undefined) continue;
      const address = changedAddress(await withLabels(engine, event, scope.fleet), scope);
      if (address === GATE_OF_MANY) yield { kind: "gap" };
      else if (address !== undefined) yield { kind: "changed", address };
    }
  } catch {
    // However it ended, what follows is a gap.
  } finally {
    for (const stream of streams) stream.destroy();
  }
  yield { kind: "gap" };
}

/** Lines of all of them as they come, until one of them ends: without it, what the others tell is not everything. */
function linesOf(streams: readonly Readable[]): AsyncIterable<string> {
  // A queue, and no race of promises: one that waits for months would be held on to by each that did not.
  const lines = new PassThrough({ objectMode: true });
  for (const stream of streams) {
    const end = (): unknown => lines.end();
    createInterface({ input: stream, crlfDelay: Infinity })
      .on("line", (line) => lines.writableEnded || lines.write(line))
      .on("error", end)
      .on("close", end);
  }
  return lines;
}

/** With the labels of the container that an event of a network is about, as those of a container have them. */
async function withLabels(engine: Engine, event: EngineEvent, fleet: string): Promise<EngineEvent> {
  if (event.Type !== "network") return event;
  // Docker's actor is the network, and Podman's the container.
  const { container = event.Id, type } = event.Labels;
  if (CLOSED_NETWORKS.has(type)) return { ...event, Labels: {} };
  // Listed and not inspected: an inspect waits for a start that is under way, and so would all events behind this one.
  const [found] = await listContainers(engine, { id: [container], label: [`${FLEET_LABEL}=${fleet}`] });
  return { ...event, Labels: found?.Labels ?? {} };
}

/** The address an event is about; undefined for events of no interest. */
export function changedAddress(
  { Action, Labels: labels }: Pick<EngineEvent, "Action" | "Labels">,
  scope: Pick<ObserveScope, "fleet" | "fleet_id">,
): string | undefined {
  if (USE.test(Action)) return undefined;
  if (!isOwned(scope, ownerIn(labels))) return undefined;
  return labels[ADDRESS_LABEL] ?? (isGate(labels) ? GATE_OF_MANY : undefined);
}

/** What a line of an event stream tells; undefined for one that is no event. */
export function eventIn(line: string): EngineEvent | undefined {
  try {
    return readEvent(JSON.parse(line));
  } catch {
    return undefined;
  }
}
