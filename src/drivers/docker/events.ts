import { createInterface } from "node:readline";
import { PassThrough, type Readable } from "node:stream";
import type { JsonObject } from "../../model/json.ts";
import { ADDRESS_LABEL, FLEET_LABEL } from "../../model/labels.ts";
import { ownerIn } from "../../model/ownership.ts";
import type { DriverEvent, ObserveScope } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isDenied } from "./errors.ts";
import { isGate } from "./gates.ts";
import { Members } from "./members.ts";
import { isOwned } from "./volumes.ts";
import type { EngineEvent } from "./wire.ts";
import { eventIn } from "./wire.ts";

const GAP = { kind: "gap" } as const;
/** Something happened to a gate that several runtimes share: all of them are worth a look. */
const GATE_OF_MANY = "";

/** What happens inside a container, or to its files, is use and not change. Podman tells of mounts as well. */
const USE =
  /^(?:exec|top|attach|detach|resize|commit|copy|export|archive-path|extract-to-dir|mount|unmount|sync)/;

/**
 * The engine's events as hints of what to look at. Resolves once the engine has answered, that is, subscribed us.
 * A stream that ends was cut off, so its last word is that events may be missing; reconnecting is the caller's.
 */
export async function events(
  engine: Pick<Engine, "json" | "stream">,
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
  const containers = await subscribe({ type: ["container"], label: [`${FLEET_LABEL}=${scope.fleet}`] });
  try {
    const networks = await subscribe({ type: ["network"], event: ["connect", "disconnect"] });
    return read(engine, [containers, networks], scope, signal);
  } catch (thrown) {
    // Where only some calls get through, a change of networks is seen by the next look at everything.
    if (isDenied(thrown)) return read(engine, [containers], scope, signal);
    containers.destroy();
    throw thrown;
  }
}

async function* read(
  engine: Pick<Engine, "json">,
  streams: readonly [containers: Readable, networks?: Readable],
  scope: ObserveScope,
  signal: AbortSignal,
): AsyncGenerator<DriverEvent, void, undefined> {
  // A queue, and no race of promises: one that waits for months would be held on to by each that did not.
  const heard = new PassThrough({ objectMode: true });
  const tell = (told: DriverEvent): void => {
    if (heard.writable) heard.write(told);
  };
  const hear = (event: Pick<EngineEvent, "Action" | "Labels">): void => {
    const address = changedAddress(event, scope);
    if (address !== undefined) tell(address === GATE_OF_MANY ? GAP : { kind: "changed", address });
  };
  const members = new Members(engine, scope.fleet, signal, {
    found: (Labels) => hear({ Action: "connect", Labels }),
    failed: () => tell(GAP),
  });
  // Without one of them, what the other tells is not everything.
  const end = (): unknown => heard.end();
  const [containers, networks] = streams;
  follow(containers, hear, end);
  if (networks !== undefined) follow(networks, (event) => members.heard(event), end);
  try {
    yield* heard;
  } catch {
    // However it ended, what follows is a gap.
  } finally {
    for (const stream of streams) stream?.destroy();
  }
  yield GAP;
}

function follow(stream: Readable, hear: (event: EngineEvent) => void, end: () => unknown): void {
  createInterface({ input: stream, crlfDelay: Infinity })
    .on("line", (line) => {
      const event = eventIn(line);
      if (event !== undefined) hear(event);
    })
    .on("error", end)
    .on("close", end);
  // A stream that fails ends no reading of lines by itself. One that was cut off while the other was asked for told nobody.
  stream.once("close", end);
  if (stream.destroyed) end();
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
