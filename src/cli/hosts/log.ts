import type { Writable } from "node:stream";
import { pino } from "pino";
import { eventLine } from "../../render/event.ts";
import type { LogFormat, LogLevel } from "../globals.ts";
import type { EventHost } from "./host.ts";

/** Log records for machines (`json`) or one short line each (`compact`), through pino. */
export async function logHost(
  format: Exclude<LogFormat, "pretty">,
  level: LogLevel,
  stream: Writable,
): Promise<EventHost> {
  const settings = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const logger = pino(settings, format === "json" ? stream : await compact(stream));
  return {
    notify(event) {
      const line = eventLine(event);
      logger[line.level](event, line.text);
    },
    clear: () => undefined,
    // Both destinations write as they are told: there is nothing left to flush.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function compact(stream: Writable) {
  const { build } = await import("pino-pretty");
  return build({
    destination: stream,
    colorize: false,
    sync: true,
    translateTime: "UTC:yyyy-mm-dd'T'HH:MM:ss'Z'",
    // The message says it all; fields are for the json format.
    hideObject: true,
    ignore: "pid,hostname",
  });
}
