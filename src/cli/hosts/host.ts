import type { EventSink } from "../../model/event.ts";
import type { Invocation } from "../invocation.ts";
import { styleFor } from "../invocation.ts";
import { elapsed } from "../../util/elapsed.ts";

/** An event sink for one command; closing it leaves the terminal as it was. */
export interface EventHost extends EventSink, AsyncDisposable {
  /** Takes the progress line away, for a question or other text; the next event brings it back. */
  clear(): void;
}

/**
 * The sink that the flags ask for. It writes to stderr, so that stdout stays the answer's. `answered` says that the
 * answer will tell the result of each change.
 */
export async function openHost(
  invocation: Invocation,
  { answered = false }: { readonly answered?: boolean } = {},
): Promise<EventHost> {
  const { globals, streams } = invocation;
  const { logFormat, quiet } = globals;
  const level = quiet ? "error" : globals.logLevel;
  if (logFormat !== "pretty") {
    const { logHost } = await import("./log.ts");
    return await logHost(logFormat, level, streams.stderr);
  }
  if (quiet) {
    const { silentHost } = await import("./silent.ts");
    return silentHost(streams.stderr);
  }
  const { terminalHost } = await import("./terminal.ts");
  const style = styleFor(invocation, streams.stderr);
  const host = terminalHost(streams.stderr, style, level, elapsed);
  // In a log both streams stand together, and nobody wants to read each result twice.
  const twice = answered && !globals.json && streams.stderr.isTTY !== true && level !== "debug";
  return twice ? withoutResults(host) : host;
}

function withoutResults(host: EventHost): EventHost {
  return {
    ...host,
    notify(event) {
      if (event.type !== "change.finished") host.notify(event);
    },
  };
}
