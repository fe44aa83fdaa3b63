import { usageError } from "./exit-codes.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ["pretty", "json", "compact"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What holds for every verb, from flags before or after it, else from `SANDKEEP_<FLAG>`. */
export interface Globals {
  readonly file?: string;
  readonly fleet?: string;
  readonly stateDir?: string;
  readonly json: boolean;
  readonly targets: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** False when colour is forbidden; true only allows it. */
  readonly colour: boolean;
  readonly quiet: boolean;
}

export interface GlobalFlag {
  readonly flags: string;
  /** Key among commander's option values. */
  readonly key: string;
  readonly env: string;
  readonly takes: "text" | "list" | "nothing";
  readonly about: string;
}

export const GLOBAL_FLAGS: readonly GlobalFlag[] = [
  {
    flags: "-f, --file <path>",
    key: "file",
    env: "SANDKEEP_FILE",
    takes: "text",
    about: "config file or fleet folder; else the nearest one upwards",
  },
  {
    flags: "--fleet <name>",
    key: "fleet",
    env: "SANDKEEP_FLEET",
    takes: "text",
    about:
      "work from labels alone, without a config (list, inspect, prune, destroy, runs, doctor, events, hold, release)",
  },
  {
    flags: "--state-dir <dir>",
    key: "stateDir",
    env: "SANDKEEP_STATE_DIR",
    takes: "text",
    about: "where leases, journals and history live",
  },
  {
    flags: "--json",
    key: "json",
    env: "SANDKEEP_JSON",
    takes: "nothing",
    about: "one JSON document on stdout, everything else on stderr",
  },
  {
    flags: "--target <address>",
    key: "target",
    env: "SANDKEEP_TARGET",
    takes: "list",
    about: "only this address; may be repeated or separated by commas",
  },
  {
    flags: "--log-level <level>",
    key: "logLevel",
    env: "SANDKEEP_LOG_LEVEL",
    takes: "text",
    about: `${LOG_LEVELS.join(" | ")} (default info)`,
  },
  {
    flags: "--log-format <format>",
    key: "logFormat",
    env: "SANDKEEP_LOG_FORMAT",
    takes: "text",
    about: `${LOG_FORMATS.join(" | ")} (default pretty)`,
  },
  {
    flags: "--no-color",
    key: "color",
    env: "SANDKEEP_NO_COLOR",
    takes: "nothing",
    about: "no colour, whatever the terminal can",
  },
  {
    flags: "-q, --quiet",
    key: "quiet",
    env: "SANDKEEP_QUIET",
    takes: "nothing",
    about: "no progress, and only errors on stderr",
  },
];

export type Env = Readonly<Record<string, string | undefined>>;
type Values = Readonly<Record<string, unknown>>;

const YES: ReadonlySet<string> = new Set(["1", "true", "yes", "on"]);
const NO: ReadonlySet<string> = new Set(["", "0", "false", "no", "off"]);

/** A switch in the environment. A misspelt one is an error: guessing could mean more colour, or a lost `--json`. */
function envSwitch(env: Env, name: string): boolean {
  const value = (env[name] ?? "").trim().toLowerCase();
  if (YES.has(value)) return true;
  if (NO.has(value)) return false;
  throw usageError(`${name} is ${JSON.stringify(env[name])}, expected 1 or 0`, `Set ${name}=1, or unset it.`);
}

function text(values: Values, env: Env, key: string): string | undefined {
  const flag = GLOBAL_FLAGS.find((each) => each.key === key);
  const given = values[key];
  if (typeof given === "string") return given;
  const twin = flag === undefined ? undefined : env[flag.env];
  return twin === undefined || twin === "" ? undefined : twin;
}

function choice<T extends string>(
  chosen: string | undefined,
  allowed: readonly T[],
  what: string,
  fallback: T,
): T {
  if (chosen === undefined) return fallback;
  const found = allowed.find((each) => each === chosen);
  if (found !== undefined) return found;
  throw usageError(`${what} is ${JSON.stringify(chosen)}`, `Expected ${allowed.join(", ")}.`);
}

function splitList(value: unknown): string[] {
  const parts = Array.isArray(value) ? value.map(String) : typeof value === "string" ? [value] : [];
  return parts
    .flatMap((part) => part.split(","))
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** Flags win over their environment twins. */
export function readGlobals(values: Values, env: Env): Globals {
  const file = text(values, env, "file");
  const fleet = text(values, env, "fleet");
  const stateDir = text(values, env, "stateDir");
  const targets = values["target"] === undefined ? env["SANDKEEP_TARGET"] : values["target"];
  return {
    ...(file === undefined ? {} : { file }),
    ...(fleet === undefined ? {} : { fleet }),
    ...(stateDir === undefined ? {} : { stateDir }),
    json: values["json"] === true || envSwitch(env, "SANDKEEP_JSON"),
    targets: splitList(targets),
    logLevel: choice(text(values, env, "logLevel"), LOG_LEVELS, "--log-level", "info"),
    logFormat: choice(text(values, env, "logFormat"), LOG_FORMATS, "--log-format", "pretty"),
    colour: values["color"] !== false && !envSwitch(env, "SANDKEEP_NO_COLOR"),
    quiet: values["quiet"] === true || envSwitch(env, "SANDKEEP_QUIET"),
  };
}

/** Whether errors are to be told as JSON, known even when the command line cannot be parsed. */
export function wantsJson(argv: readonly string[], env: Env): boolean {
  const end = argv.indexOf("--");
  const own = end === -1 ? argv : argv.slice(0, end);
  return own.includes("--json") || YES.has((env["SANDKEEP_JSON"] ?? "").trim().toLowerCase());
}
