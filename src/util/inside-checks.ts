/**
 * In: promises of a spec, and a way to run a small shell script inside its runtime. Out: one check a promise.
 * It changes nothing there: a write is tried only where the mount table already says that it cannot succeed.
 */
import { assertNever } from "../errors.ts";
import type { Check, Promised } from "../model/attestation.ts";
import type { Json } from "../model/json.ts";
import { Inside, LOOK, TRY_CONNECT, TRY_WRITES } from "./inside-look.ts";

export interface ScriptResult {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs `sh -c script` with arguments from `$1` on, as a command of the runtime would run. */
export type RunInside = (script: string, args: readonly string[]) => Promise<ScriptResult>;

const CANNOT_LOOK = "nothing could be looked at from inside: it takes a POSIX shell named sh";

export async function checkInside(
  promises: readonly Promised[],
  run: RunInside,
  randomId: () => string,
): Promise<Check[]> {
  if (promises.length === 0) return [];
  const byName = promises.some((each) => each.kind === "user" && /[^\d:]/.test(each.user));
  const { exitCode, output } = await run(LOOK, byName ? ["names"] : []);
  const inside = new Inside(output);
  if (exitCode !== 0 || inside.file("/proc/self/status") === undefined) {
    return promises.map((each) => unknown(each, exitCode === 0 ? "/proc cannot be read" : CANNOT_LOOK));
  }
  const checks = promises.map((each) => judge(each, inside));
  return await proved(promises, checks, run, randomId);
}

/** What the tables say is tried as well, where that can do no harm. */
async function proved(
  promises: readonly Promised[],
  checks: readonly Check[],
  run: RunInside,
  randomId: () => string,
): Promise<Check[]> {
  const places = promises.flatMap((each, index) =>
    each.kind === "read-only" && checks[index]?.status === "held" ? [each.target] : [],
  );
  const words =
    places.length === 0
      ? []
      : (await run(TRY_WRITES, [`.sandkeep-probe-${randomId()}`, ...places])).output.split("\n");
  const alone = promises.some(
    (each, index) => each.kind === "no-network" && checks[index]?.status === "held",
  );
  const answer = alone ? (await run(TRY_CONNECT, [])).output : "";
  return promises.map((each, index) => {
    const check = checks[index] ?? unknown(each, CANNOT_LOOK);
    if (check.status !== "held") return check;
    if (each.kind === "read-only") return writable(each, check, words[places.indexOf(each.target)]);
    if (each.kind !== "no-network") return check;
    return /connected|timed out/i.test(answer)
      ? { ...check, status: "broken", found: "a way out", why: "a connection to the outside did not fail" }
      : check;
  });
}

function writable(promise: Promised, check: Check, word: string | undefined): Check {
  if (word === "refused") return check;
  if (word === "written") return { ...check, status: "broken", found: "rw", why: "a write succeeded" };
  return unknown(promise, word === "absent" ? "the place is not there" : "no write could be tried");
}

function unknown({ path, asked }: Promised, why: string): Check {
  return { path, status: "unknown", asked, found: null, why };
}

function judge(promise: Promised, inside: Inside): Check {
  const { path, asked } = promise;
  const say = (held: boolean, found: Json, why: string): Check => {
    return { path, status: held ? "held" : "broken", asked, found, why };
  };
  switch (promise.kind) {
    case "read-only":
      return readOnly(promise, inside);
    case "mounted": {
      const found = inside.mounts()?.findLast(({ target }) => target === promise.target);
      return say(found?.type === promise.type, found?.type ?? null, `what is mounted at ${promise.target}`);
    }
    case "no-network": {
      const ways = inside.waysOut();
      if (ways === undefined) return unknown(promise, "the routing table cannot be read");
      return say(ways.length === 0, ways.length === 0 ? "none" : [...ways], "interfaces that lead out");
    }
    case "memory":
    case "swap":
    case "pids":
    case "cpus":
      return limited(promise, inside);
    case "capabilities": {
      const found = inside.capabilities();
      if (found === undefined) return unknown(promise, "its capabilities cannot be read");
      return say(
        found.every((each) => promise.most.includes(each)),
        [...found],
        "capabilities that a command has or could get",
      );
    }
    case "no-new-privileges":
      return flag(promise, inside.status("NoNewPrivs"), (value) => value === "1", "NoNewPrivs");
    case "seccomp":
      return flag(
        promise,
        inside.status("Seccomp"),
        (value) => (value === "0") !== promise.filtered,
        "the kernel's seccomp mode",
      );
    case "apparmor": {
      const found = inside.appArmor();
      if (found === undefined) return unknown(promise, "the profile of a command cannot be read");
      const held = found === `${promise.profile} (enforce)` || found === `${promise.profile} (kill)`;
      return say(held, found, "the profile that confines a command");
    }
    case "user":
      return runsAs(promise, inside);
    case "ulimit":
      return ulimit(promise, inside);
    default:
      return assertNever(promise);
  }
}

function flag(
  promise: Promised,
  value: string | undefined,
  held: (value: string) => boolean,
  why: string,
): Check {
  const { path, asked } = promise;
  if (value === undefined) return unknown(promise, `${why} cannot be read`);
  return { path, status: held(value) ? "held" : "broken", asked, found: value, why };
}

function readOnly(promise: Extract<Promised, { kind: "read-only" }>, inside: Inside): Check {
  const { path, asked, target, except } = promise;
  const mounts = inside.mounts();
  if (mounts === undefined) return unknown(promise, "the mount table cannot be read");
  const deepest = Math.max(
    ...mounts.filter((each) => isBelow(target, each.target)).map((each) => each.target.length),
  );
  const over = mounts.findLast((each) => isBelow(target, each.target) && each.target.length === deepest);
  if (over === undefined) return unknown(promise, `no mount holds ${target}`);
  // A read-only bind of a folder says nothing of file systems that are mounted below it.
  const hole =
    except === undefined
      ? undefined
      : mounts.find(
          (each) =>
            each.target !== target &&
            isBelow(each.target, target) &&
            !each.readOnly &&
            !except.some((one) => isBelow(each.target, one)),
        );
  if (!over.readOnly) return { path, status: "broken", asked, found: "rw", why: `${target} is writable` };
  if (hole !== undefined) {
    return { path, status: "broken", asked, found: "rw", why: `${hole.target}, below it, is writable` };
  }
  return { path, status: "held", asked, found: "ro", why: `${target} is read-only` };
}

function isBelow(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}

/** The kernel counts memory in pages and rounds down; its largest ones are 64 KiB. */
const PAGE = 65_536;

function limited(
  promise: Extract<Promised, { kind: "memory" | "swap" | "pids" | "cpus" }>,
  inside: Inside,
): Check {
  const found = limitOf(promise, inside);
  const { path, asked, most } = promise;
  if (found === undefined) return unknown(promise, `no control group shows a limit of ${promise.kind}`);
  const slack = promise.kind === "pids" || promise.kind === "cpus" ? 0.001 : PAGE;
  const held = found <= most + 0.001 && found > most - slack;
  const shown = Number.isFinite(found) ? found : "unlimited";
  return { path, status: held ? "held" : "broken", asked, found: shown, why: "the control group's limit" };
}

function limitOf(
  promise: Extract<Promised, { kind: "memory" | "swap" | "pids" | "cpus" }>,
  inside: Inside,
): number | undefined {
  switch (promise.kind) {
    case "memory":
      return amount(inside.cgroup("memory.max", "memory.limit_in_bytes"));
    case "swap":
      return withSwap(promise.memory, inside);
    case "pids":
      return amount(inside.cgroup("pids.max"));
    case "cpus":
      return cores(inside);
    default:
      return assertNever(promise);
  }
}

/** The newer kind of control group counts swap alone, the older one together with memory. */
function withSwap(memory: number, inside: Inside): number | undefined {
  const alone = amount(inside.cgroup("memory.swap.max"));
  return alone === undefined ? amount(inside.cgroup("memory.memsw.limit_in_bytes")) : alone + memory;
}

function cores(inside: Inside): number | undefined {
  const both = inside.cgroup("cpu.max")?.split(" ");
  const quota = amount(both?.[0] ?? inside.cgroup("cpu.cfs_quota_us"));
  const period = amount(both?.[1] ?? inside.cgroup("cpu.cfs_period_us"));
  if (quota === undefined || period === undefined) return undefined;
  return quota < 0 ? Infinity : quota / period;
}

/** Without a limit the older kind shows the largest number of pages there can be. */
const NO_LIMIT = 2 ** 60;

function amount(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const value = text === "max" ? Infinity : Number(text);
  return value >= NO_LIMIT ? Infinity : value;
}

function runsAs(promise: Extract<Promised, { kind: "user" }>, inside: Inside): Check {
  const { path, asked } = promise;
  const [user = "", group] = promise.user.split(":");
  const [uid, gid] = [inside.status("Uid"), inside.status("Gid")].map((ids) => ids?.split(/\s+/) ?? []);
  const wanted = inside.numberOf(user, "passwd");
  const wantedGroup = group === undefined ? undefined : inside.numberOf(group, "group");
  if (uid?.[0] === undefined || gid?.[0] === undefined) return unknown(promise, "its user cannot be read");
  if (wanted === undefined) return unknown(promise, `/etc/passwd does not say who ${user} is`);
  if (group !== undefined && wantedGroup === undefined)
    return unknown(promise, `/etc/group does not say what ${group} is`);
  const held =
    uid.every((each) => Number(each) === wanted) &&
    (wantedGroup === undefined || gid.every((each) => Number(each) === wantedGroup));
  const found = group === undefined ? uid[0] : `${uid[0]}:${gid[0]}`;
  return { path, status: held ? "held" : "broken", asked, found, why: "who a command runs as" };
}

/** Rows of `/proc/self/limits` by the name that the config has for them. */
const LIMIT_ROWS: Readonly<Record<string, string>> = {
  as: "Max address space",
  core: "Max core file size",
  cpu: "Max cpu time",
  data: "Max data size",
  fsize: "Max file size",
  locks: "Max file locks",
  memlock: "Max locked memory",
  msgqueue: "Max msgqueue size",
  nice: "Max nice priority",
  nofile: "Max open files",
  nproc: "Max processes",
  rss: "Max resident set",
  rtprio: "Max realtime priority",
  rttime: "Max realtime timeout",
  sigpending: "Max pending signals",
  stack: "Max stack size",
};

/** Only the hard limit binds: a process may raise the soft one up to it, and some engines' own start-up does. */
function ulimit(promise: Extract<Promised, { kind: "ulimit" }>, inside: Inside): Check {
  const { path, asked, name, hard } = promise;
  const found = inside.limit(LIMIT_ROWS[name] ?? "");
  if (found === undefined) return unknown(promise, `the limit ${name} cannot be read`);
  const held = found[1] === (hard < 0 ? Infinity : hard);
  const [soft, most] = found.map((each) => (Number.isFinite(each) ? each : -1));
  return {
    path,
    status: held ? "held" : "broken",
    asked,
    found: { soft: soft ?? null, hard: most ?? null },
    why: "the hard limit of a command's process",
  };
}
