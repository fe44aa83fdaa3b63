import type { Readable, Writable } from "node:stream";
import type { Style } from "../render/style.ts";
import type { Env, Globals } from "./globals.ts";

/** A standard stream, or what stands for one in tests. */
export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export interface Input extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
}

export interface Streams {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** One command line on its way: what was asked, and everything from outside that a command may use. */
export interface Invocation {
  readonly verb: string;
  /** Positional arguments, with what follows `--`. */
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly globals: Globals;
  readonly streams: Streams;
  readonly env: Env;
  readonly cwd: string;
}

/** What each module in `commands/` exports. */
export interface CommandModule {
  /** Resolves to the exit code; throws SandkeepError for what ends the command. */
  run(invocation: Invocation): Promise<number>;
}

const PIPE_WIDTH = 120;

function colourWanted(stream: Output, globals: Globals, env: Env): boolean {
  // https://no-color.org: any non-empty value.
  if (!globals.colour || (env["NO_COLOR"] ?? "") !== "") return false;
  if ((env["FORCE_COLOR"] ?? "") !== "") return env["FORCE_COLOR"] !== "0";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

function unicodeWanted(stream: Output, env: Env): boolean {
  if (stream.isTTY !== true || process.platform === "win32" || process.platform === "darwin") return true;
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return env["TERM"] !== "linux" && /utf-?8/i.test(locale);
}

/** How text for one stream is to look. Files and pipes get a fixed width, so that CI logs can be compared. */
export function styleFor(invocation: Pick<Invocation, "globals" | "env" | "cwd">, stream: Output): Style {
  const columns = Number(invocation.env["COLUMNS"]);
  const width = stream.columns ?? (Number.isInteger(columns) && columns > 0 ? columns : PIPE_WIDTH);
  return {
    colour: colourWanted(stream, invocation.globals, invocation.env),
    width: Math.max(40, width),
    unicode: unicodeWanted(stream, invocation.env),
    cwd: invocation.cwd,
  };
}
