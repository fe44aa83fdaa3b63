import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { ADDRESS_LABEL, FLEET_LABEL } from "../../model/labels.ts";
import { ownerIn } from "../../model/ownership.ts";
import type { DriverEvent, ObserveScope } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isGate } from "./gates.ts";
import { isOwned } from "./volumes.ts";
import { tryRead } from "./parts.ts";
import { readEvent } from "./wire.ts";

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
  engine: Engine,
  scope: ObserveScope,
  signal: AbortSignal,
): Promise<AsyncIterable<DriverEvent>> {
  const stream = await engine.stream({
    what: "subscribe to events",
    method: "GET",
    path: "/events",
    query: { filters: { type: ["container"], label: [`${FLEET_LABEL}=${scope.fleet}`] } },
    signal,
  });
  return read(stream, scope);
}

async function* read(stream: Readable, scope: ObserveScope): AsyncGenerator<DriverEvent, void, undefined> {
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      const address = changedAddress(line, scope);
      if (address === GATE_OF_MANY) yield { kind: "gap" };
      else if (address !== undefined) yield { kind: "changed", address };
    }
  } catch {
    // However it ended, what follows is a gap.
  } finally {
    stream.destroy();
  }
  yield { kind: "gap" };
}

/** The address an event is about; undefined for events of no interest. */
export function changedAddress(
  line: string,
  scope: Pick<ObserveScope, "fleet" | "fleet_id">,
): string | undefined {
  const event = tryRead(readEvent, parse(line));
  if (event === undefined || USE.test(event.Action)) return undefined;
  const labels = event.Labels;
  if (!isOwned(scope, ownerIn(labels))) return undefined;
  return labels[ADDRESS_LABEL] ?? (isGate(labels) ? GATE_OF_MANY : undefined);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
