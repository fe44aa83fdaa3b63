/** One flag of a `docker run` command line. */
export interface DockerFlag {
  /** Index of the argument it starts in. */
  readonly index: number;
  /** Long name without dashes; empty for an argument that belongs to no flag. */
  readonly name: string;
  /** As written, without any value. */
  readonly shown: string;
  /** Absent for a switch, and for a flag whose value is missing. */
  readonly value: string | undefined;
}

const SHORT: Readonly<Record<string, string>> = {
  a: "attach",
  c: "cpu-shares",
  d: "detach",
  e: "env",
  h: "hostname",
  i: "interactive",
  l: "label",
  m: "memory",
  P: "publish-all",
  p: "publish",
  q: "quiet",
  t: "tty",
  u: "user",
  v: "volume",
  w: "workdir",
};

/** Flags that take a value only with "=". */
const SWITCHES: ReadonlySet<string> = new Set([
  "detach",
  "disable-content-trust",
  "help",
  "init",
  "interactive",
  "no-healthcheck",
  "oom-kill-disable",
  "privileged",
  "publish-all",
  "quiet",
  "read-only",
  "rm",
  "sig-proxy",
  "tty",
  "use-api-socket",
]);

/** Arguments as Docker's parser takes them. An unknown flag takes the next argument, unless that is a flag. */
export function readDockerFlags(argv: readonly string[]): readonly DockerFlag[] {
  const flags: DockerFlag[] = [];
  for (let index = 0; index < argv.length; index++) {
    const text = argv[index] ?? "";
    const next = argv[index + 1];
    const found = text.startsWith("--") ? longFlag(text, index, next) : shortFlags(text, index, next);
    flags.push(...found.flags);
    if (found.tookNext) index++;
  }
  return flags;
}

interface Reading {
  readonly flags: readonly DockerFlag[];
  readonly tookNext: boolean;
}

function longFlag(text: string, index: number, next: string | undefined): Reading {
  const split = text.indexOf("=");
  const name = text.slice(2, split < 0 ? undefined : split);
  const flag = { index, name, shown: `--${name}` };
  if (split >= 0) return { flags: [{ ...flag, value: text.slice(split + 1) }], tookNext: false };
  return withNext(flag, next);
}

function withNext(flag: Omit<DockerFlag, "value">, next: string | undefined): Reading {
  const takes =
    !SWITCHES.has(flag.name) && next !== undefined && (!next.startsWith("-") || /^-\d/.test(next));
  return { flags: [{ ...flag, value: takes ? next : undefined }], tookNext: takes };
}

/** `-it`, `-e A=b`, `-eA=b`: switches may share one dash, and a value may follow at once. */
function shortFlags(text: string, index: number, next: string | undefined): Reading {
  if (!/^-[A-Za-z]/.test(text))
    return { flags: [{ index, name: "", shown: "", value: text }], tookNext: false };
  const flags: DockerFlag[] = [];
  for (let at = 1; at < text.length; at++) {
    const letter = text.charAt(at);
    const name = SHORT[letter] ?? letter;
    const flag = { index, name, shown: `-${letter}` };
    if (SWITCHES.has(name)) {
      flags.push({ ...flag, value: undefined });
      continue;
    }
    const rest = text.slice(at + 1);
    if (rest !== "")
      return { flags: [...flags, { ...flag, value: rest.replace(/^=/, "") }], tookNext: false };
    const last = withNext(flag, next);
    return { flags: [...flags, ...last.flags], tookNext: last.tookNext };
  }
  return { flags, tookNext: false };
}
