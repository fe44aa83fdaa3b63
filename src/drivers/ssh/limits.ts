/** A runtime's limits on a host: whether that can keep them, how they are set and read back, and how commands get under them. */
import { SandkeepError } from "../../errors.ts";
import type { Check } from "../../model/attestation.ts";
import type { Json } from "../../model/json.ts";
import type { ProbeReason } from "../../model/posture.ts";
import type { Settings } from "../../model/settings.ts";
import type { Program } from "../../remote/program.ts";
import type { SshContext } from "./context.ts";
import { wholeLines } from "./errors.ts";
import { END_SLICE, ENTER_SLICE, LIFT_LIMITS, LOOK_LIMITS, SET_LIMITS } from "./limit-scripts.ts";
import type { SshSpec } from "./spec.ts";
import { roundCores } from "./spec.ts";

export const LIMIT_PATHS = ["ssh.memory", "ssh.cpus", "ssh.pids"] as const;

/** At least one is there. */
export interface Limits {
  /** Bytes; nothing of it is swapped out. */
  readonly memory: number | undefined;
  /** Cores. */
  readonly cpus: number | undefined;
  readonly pids: number | undefined;
  /** Commands are to live on without a connection. */
  readonly outlives: boolean;
}

export function limitsOf(spec: SshSpec): Limits | undefined {
  const { "ssh.memory": memory, "ssh.cpus": cpus, "ssh.pids": pids } = spec;
  return ifAny({ memory, cpus, pids, outlives: spec["ssh.on_disconnect"] !== "kill" });
}

function ifAny(limits: Limits): Limits | undefined {
  const { memory, cpus, pids } = limits;
  return memory === undefined && cpus === undefined && pids === undefined ? undefined : limits;
}

function sliceOf(objectId: string): string {
  return `sandkeep-${objectId}.slice`;
}

const NONE = "infinity";
const PERIOD_US = 100_000;

/** As the scripts take them. */
function wordsOf(objectId: string, { memory, cpus, pids }: Limits): string[] {
  const time = cpus === undefined ? undefined : Math.round(cpus * PERIOD_US);
  return [sliceOf(objectId), ...[memory, time, pids].map((each) => String(each ?? NONE))];
}

type Script = NonNullable<Program["within"]>;

/** A command's way into its slice; what it then becomes may be `inner`, such as a sandbox. */
export function withinLimits(objectId: string, limits: Limits, inner: Script | undefined): Script {
  const next = inner === undefined ? [] : ["/bin/sh", "-c", inner.script, "sandkeep", ...inner.args];
  return { script: ENTER_SLICE, args: [...wordsOf(objectId, limits), ...next] };
}

/**
 * Makes the runtime's slice as it is asked to be, and reads it back. Answers how many of its processes were killed for want
 * of memory so far.
 */
export async function setLimits(context: SshContext, objectId: string, limits: Limits): Promise<number> {
  const { connection } = context;
  if (limits.outlives) await requireLimits(context, limits);
  const percent = limits.cpus === undefined ? "" : `${String(roundCores(limits.cpus * 100))}%`;
  const args = [...wordsOf(objectId, limits), percent];
  const { code, stdout, stderr } = await connection.script({ script: SET_LIMITS, args, reads: true });
  if (code !== 0) {
    await requireLimits(context, limits);
    throw notLimited(context.host.name, stderr.trim().split("\n").at(-1) ?? "");
  }
  return Number(/^killed (\d+)$/m.exec(stdout.toString())?.[1] ?? 0);
}

export async function liftLimits({ connection }: SshContext, objectId: string): Promise<void> {
  const { code, stderr } = await connection.script({ script: LIFT_LIMITS, args: [sliceOf(objectId)] });
  if (code !== 0) throw notLimited(connection.label, stderr.trim());
}

/** Of a runtime that was not made. */
export async function endSlice({ connection }: SshContext, objectId: string): Promise<void> {
  await connection.script({ script: END_SLICE, args: [objectId] });
}

export function notLimited(host: string, why: string, fix?: string): SandkeepError {
  return new SandkeepError(`${host} does not keep the limits of [sandbox.ssh]: ${why}`, {
    code: "SSH_NO_LIMITS",
    kind: "denied",
    blame: "backend",
    hint: fix ?? "`sandkeep status --probe` tells what they take there; nothing runs there without them",
  });
}

async function requireLimits(context: SshContext, limits: Limits): Promise<void> {
  const [reason] = reasonsAgainst(await lookForLimits(context), limits, context);
  if (reason !== undefined) throw notLimited(context.host.name, reason.message, reason.fix);
}

type Found = ReadonlySet<string>;

async function lookForLimits({ connection }: SshContext): Promise<Found> {
  const { stdout } = await connection.script({ script: LOOK_LIMITS, args: [], reads: true });
  return new Set(stdout.toString().split("\n"));
}

interface Row {
  readonly code: ProbeReason["code"];
  readonly needed: (limits: Limits) => boolean;
  /** Word by which the host says that it has it. */
  readonly has: string;
  /** What is the matter otherwise, of the host or its account. */
  readonly fault: string;
  readonly fix: string;
  /** Without it nothing more can be said. */
  readonly first?: true;
}

const always = (): boolean => true;
const DELEGATE =
  'delegate it: "[Service] Delegate=cpu memory pids" in /etc/systemd/system/user@.service.d/delegate.conf there, then `systemctl daemon-reload`, and log all sessions out';
const DO_WITHOUT = "take memory, cpus and pids out of [sandbox.ssh], or use a container";

const ROWS: readonly Row[] = [
  {
    code: "systemd-run-missing",
    needed: always,
    has: "systemd-run",
    fault: "there is no systemd-run",
    fix: `use a host that runs systemd, or ${DO_WITHOUT}`,
    first: true,
  },
  {
    code: "cgroup-v2-missing",
    needed: always,
    has: "cgroup2",
    fault: "its control groups are not version 2",
    fix: `boot it with systemd.unified_cgroup_hierarchy=1, or ${DO_WITHOUT}`,
    first: true,
  },
  {
    code: "user-manager-missing",
    needed: always,
    has: "manager",
    fault: "no systemd user manager of the account answers",
    fix: "install libpam-systemd there and let its sshd use PAM, or `loginctl enable-linger` the account",
    first: true,
  },
  {
    code: "memory-limit-unsupported",
    needed: ({ memory }) => memory !== undefined,
    has: "memory",
    fault: "the account's systemd may not limit memory",
    fix: DELEGATE,
  },
  {
    code: "cpu-limit-unsupported",
    needed: ({ cpus }) => cpus !== undefined,
    has: "cpu",
    fault: "the account's systemd may not limit CPU time",
    fix: DELEGATE,
  },
  {
    code: "pids-limit-unsupported",
    needed: ({ pids }) => pids !== undefined,
    has: "pids",
    fault: "the account's systemd may not limit processes",
    fix: DELEGATE,
  },
  {
    code: "linger-off",
    needed: ({ outlives }) => outlives,
    has: "linger",
    fault: "the account's systemd ends with its last connection, and its commands with it",
    fix: '`loginctl enable-linger` the account there, or set on_disconnect = "kill"',
  },
];

function reasonsAgainst(found: Found, limits: Limits, { host }: SshContext): ProbeReason[] {
  const missing = ROWS.filter(({ needed, has }) => needed(limits) && !found.has(has));
  const first = missing.find((each) => each.first === true);
  return (first === undefined ? missing : [first]).map(({ code, fault, fix }) => ({
    code,
    message: `limits cannot be kept on ${host.name}: ${fault}`,
    fix,
  }));
}

/** For each settings what the host lacks for their limits. One look for all, and none where there are no limits. */
export async function lacks(
  context: SshContext,
  all: readonly Settings[],
): Promise<readonly (readonly ProbeReason[])[]> {
  const asked = all.map(({ options }) => wanted(options));
  if (asked.every((each) => each === undefined)) return all.map(() => []);
  const found = await lookForLimits(context);
  return asked.map((limits) => (limits === undefined ? [] : reasonsAgainst(found, limits, context)));
}

function wanted(options: Settings["options"]): Limits | undefined {
  const [memory, cpus, pids] = [options["memory"], options["cpus"], options["pids"]].map((each) =>
    typeof each === "number" ? each : undefined,
  );
  const asked = options["on_disconnect"];
  return ifAny({ memory, cpus, pids, outlives: asked === "keep" || asked === "reattach" });
}

/** The kernel counts memory in pages and rounds down; its largest ones are 64 KiB. */
const PAGE = 65_536;

/** `memory pids quota period`, as a slice's files say them. Null where there is no limit. */
export function readLimits(words: string, asked: Json | undefined): Record<string, Json> {
  const [memory, pids, quota, period] = words
    .split(" ")
    .map((each) => (/^\d+$/.test(each) ? Number(each) : null));
  const rounded =
    typeof memory === "number" && typeof asked === "number" && memory <= asked && memory > asked - PAGE;
  return {
    "ssh.memory": rounded ? asked : (memory ?? null),
    "ssh.cpus": typeof quota === "number" && typeof period === "number" ? roundCores(quota / period) : null,
    "ssh.pids": pids ?? null,
  };
}

/** What a command that was just there saw of its slice. */
export async function attestLimits(
  context: SshContext,
  objectId: string,
  limits: Limits,
): Promise<readonly Check[]> {
  await setLimits(context, objectId, limits);
  const result = await context.connection.script({
    script: SEE,
    args: [],
    onLost: "kill",
    within: withinLimits(objectId, limits, undefined),
  });
  const [words = ""] = wholeLines(result, "look at the limits from inside");
  const seen = readLimits(words, limits.memory);
  const asked = { "ssh.memory": limits.memory, "ssh.cpus": limits.cpus, "ssh.pids": limits.pids };
  return LIMIT_PATHS.flatMap((path): Check[] => {
    const [want, found] = [asked[path], seen[path] ?? null];
    const why = "the limit of the slice that its commands run in";
    if (want === undefined) return [];
    return [{ path, status: found === want ? "held" : "broken", asked: want, found, why }];
  });
}

const SEE = `
g=
while IFS=: read -r n c p; do if [ "$n$c" = 0 ]; then g=$p; fi; done </proc/self/cgroup
cd "/sys/fs/cgroup\${g%/*}" || exit 1
for each in memory.max pids.max cpu.max; do
  x=none; [ ! -r "$each" ] || IFS= read -r x <"$each"
  printf '%s ' "$x"
done
echo
echo END
`;
