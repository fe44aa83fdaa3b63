import type { PathFacts } from "../util/path-facts.ts";
import { posix } from "node:path";

/** Why a path of the host must not reach a sandbox. */
export type ProtectedKind = "system" | "credentials" | "engine-socket" | "state";

interface ProtectedPath {
  readonly path: string;
  readonly kind: ProtectedKind;
  readonly why: string;
  /** Only all of it at once: what lies in it is judged by itself. */
  readonly whole?: true;
}

const PROGRAMS = "holds programs that this machine runs";

/** Absolute paths. A bind at, below, or above one of them is refused; above state it is masked instead. */
const SYSTEM: readonly ProtectedPath[] = [
  row("/etc", "system", "holds this machine's accounts, keys and settings"),
  row("/private/etc", "system", "holds this machine's accounts, keys and settings"),
  row("/proc", "system", "gives a way into every process"),
  row("/sys", "system", "controls the kernel"),
  row("/dev", "system", "gives raw access to devices"),
  row("/boot", "system", "holds the kernel that boots next"),
  row("/root", "system", "is the administrator's home"),
  row("/run", "system", "holds the sockets of system services"),
  row("/var/run", "system", "holds the sockets of system services"),
  row("/private/var/run", "system", "holds the sockets of system services"),
  row("/var/lib/docker", "system", "holds every container of the engine"),
  row("/var/lib/containerd", "system", "holds every container of the engine"),
  row("/var/lib/containers", "system", "holds every container of the engine"),
  row("/var/lib/kubelet", "system", "holds the secrets of every pod"),
  row("/var/spool/cron", "system", "holds commands that this machine runs by itself"),
  row("/var/spool/at", "system", "holds commands that this machine runs by itself"),
  ...["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"].map((path) => row(path, "system", PROGRAMS)),
  ...["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec"].map((name) =>
    row(`/usr/${name}`, "system", PROGRAMS),
  ),
  ...["bin", "sbin", "lib"].map((name) => row(`/usr/local/${name}`, "system", PROGRAMS)),
  { ...row("/opt", "system", PROGRAMS), whole: true },
  { ...row("/home", "credentials", "holds everybody's home"), whole: true },
  { ...row("/Users", "credentials", "holds everybody's home"), whole: true },
];

/** Below the user's home, and any other's. */
const CREDENTIALS: readonly string[] = [
  ".ssh",
  ".aws",
  ".azure",
  ".gnupg",
  ".docker",
  ".kube",
  ".config",
  ".netrc",
  ".npm",
  ".npmrc",
  ".pypirc",
  ".cargo",
  ".git-credentials",
  ".password-store",
  ".local/share/keyrings",
  ".local/share/containers",
  // Machines that a user's own engines run in: their keys, and the engines' sockets.
  ".colima",
  ".lima",
  ".orbstack",
  ".rd",
  "Library/Keychains",
];

/** Whoever can write to one of these owns the machine, wherever it lies. */
const ENGINE_SOCKETS: ReadonlySet<string> = new Set([
  "docker.sock",
  "podman.sock",
  "containerd.sock",
  "crio.sock",
  "buildkitd.sock",
]);

/** Where engines listen unless they are told otherwise: a folder that holds one hands it out as well. */
const USUAL_SOCKETS: readonly string[] = [
  "/run/docker.sock",
  "/var/run/docker.sock",
  "/run/podman/podman.sock",
  "/run/containerd/containerd.sock",
  "/run/crio/crio.sock",
];

const ROOT_HOME = "/root";
/** A user's home, and the path's way to it. */
const SOMEBODYS_HOME = /^\/(?:home|users)\/[^/]+/i;

function row(path: string, kind: ProtectedKind, why: string): ProtectedPath {
  return { path, kind, why };
}

export interface HostPaths extends Pick<PathFacts, "home" | "realPath" | "unseen" | "found"> {
  /** Absolute path of sandkeep's own state, where it is known. */
  readonly stateDir?: string | undefined;
  /** Absolute paths on which the fleet's own engines listen. */
  readonly sockets?: readonly string[];
}

export interface Exposure {
  readonly kind: ProtectedKind;
  /** A clause: `/home/me/.ssh lies in …`. */
  readonly what: string;
}

/** Judges absolute paths as written and as they really are: one exposure a kind; none means that a sandbox may have it. */
export type PathGuard = (path: string) => readonly Exposure[];

/** Built once for many paths; it remembers what it judged. */
export function pathGuard(host: HostPaths): PathGuard {
  const guarded = guardedPaths(host).map(folded);
  const known = new Map<string, readonly Exposure[]>();
  return (path) => {
    const judged = known.get(path);
    if (judged !== undefined) return judged;
    const spellings = [...new Set([posix.normalize(path), host.realPath(path)])];
    const found = new Map<ProtectedKind, Exposure>();
    const exposures = [
      ...socketsAmong(spellings, host),
      ...spellings.flatMap((each) => guardedAmong(each, [...guarded, ...othersHome(each, host)])),
      ...unseenOf(path, host),
    ];
    for (const each of exposures) {
      if (!found.has(each.kind)) found.set(each.kind, each);
    }
    known.set(path, [...found.values()]);
    return [...found.values()];
  };
}

/** An engine may look where this user may not, and follow what leads from there to anywhere. */
function unseenOf(path: string, { unseen }: HostPaths): Exposure[] {
  const why = unseen(path);
  return why === undefined ? [] : [{ kind: "system", what: `nobody can tell where ${path} leads: ${why}` }];
}

function socketsAmong(spellings: readonly string[], { found }: HostPaths): Exposure[] {
  return spellings.flatMap((each): Exposure[] => {
    if (ENGINE_SOCKETS.has(fold(posix.basename(each))))
      return [{ kind: "engine-socket", what: `${each} is ${A_SOCKET}` }];
    const held = [...ENGINE_SOCKETS].find((name) => found(posix.join(each, name)) === "socket");
    return held === undefined
      ? []
      : [{ kind: "engine-socket", what: `${each} contains ${held}, which is ${A_SOCKET}` }];
  });
}

const A_SOCKET = "the socket of a container engine";

interface Guarded extends ProtectedPath {
  readonly folded: string;
}

const folded = (each: ProtectedPath): Guarded => ({ ...each, folded: fold(each.path) });

function guardedAmong(spelling: string, guarded: readonly Guarded[]): Exposure[] {
  const path = fold(spelling);
  return guarded.flatMap(({ path: at, folded: guard, kind, why, whole }) => {
    const how = relation(path, guard);
    if (how === undefined || (kind === "state" && how === "contains")) return [];
    if (whole === true && how === "lies in") return [];
    return [{ kind, what: `${spelling} ${how} ${at}, which ${why}` }];
  });
}

/**
 * Who runs sandkeep as root could hand out every user's keys. A folder there may be no home, so that it holds only what is
 * there; the user's own is guarded for what may come.
 */
function othersHome(path: string, { found }: HostPaths): Guarded[] {
  const [home] = SOMEBODYS_HOME.exec(path) ?? [];
  if (home === undefined) return [];
  const all = credentialsIn(home).map(folded);
  return withoutSlash(path) === home ? all.filter((each) => found(each.path) !== undefined) : all;
}

function credentialsIn(home: string): ProtectedPath[] {
  return CREDENTIALS.map((name) => row(posix.join(home, name), "credentials", "holds credentials"));
}

function guardedPaths(host: HostPaths): readonly ProtectedPath[] {
  const homes = [...new Set([posix.normalize(host.home), host.realPath(host.home)])];
  const credentials = homes.flatMap(credentialsIn);
  // For root itself /root is an ordinary home: what is secret in it is in the list of credentials.
  const system = SYSTEM.filter(({ path }) => path !== ROOT_HOME || !homes.includes(ROOT_HOME));
  const state =
    host.stateDir === undefined
      ? []
      : [row(posix.normalize(host.stateDir), "state", "holds sandkeep's records and its secret key")];
  const sockets = [...USUAL_SOCKETS, ...(host.sockets ?? [])].map((path) =>
    row(posix.normalize(path), "engine-socket", `is ${A_SOCKET}`),
  );
  const written = [...system, ...credentials, ...sockets, ...state];
  const real = written.map((each) => ({ ...each, path: host.realPath(each.path) }));
  const known = new Set(written.map(({ path }) => path));
  return [...written, ...real.filter(({ path }) => !known.has(path))];
}

function relation(path: string, guarded: string): string | undefined {
  if (path === guarded) return "is";
  if (isInside(path, guarded)) return "lies in";
  return isInside(guarded, path) ? "contains" : undefined;
}

/** Some file systems see no difference of case, or of ways to write a letter; where one does, refusing `/ETC` costs nobody anything. */
function fold(path: string): string {
  return withoutSlash(path).normalize("NFKC").toUpperCase().toLowerCase();
}

/** Whether a normalised absolute path is another one or lies below it. */
export function isInside(path: string, folder: string): boolean {
  const base = withoutSlash(folder);
  if (!path.startsWith(base)) return false;
  return base === "/" || path.length === base.length || path[base.length] === "/";
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
