import type { PathFacts } from "../util/path-facts.ts";
import { posix } from "node:path";
import type { Environment } from "./credential-variables.ts";
import { credentialsNamed } from "./credential-variables.ts";
import { isInside, withoutSlash } from "./inside.ts";

/** Why a path of the host must not reach a sandbox. */
export type ProtectedKind = "system" | "credentials" | "engine-socket" | "state";

interface ProtectedPath {
  readonly path: string;
  readonly kind: ProtectedKind;
  readonly why: string;
  /** Only all of it at once: what lies in it is judged by itself. */
  readonly whole?: true;
  /** A folder that holds it is judged by itself: there it is masked, or it is not there at all. */
  readonly apart?: true;
  /** Of the environment, where one names it. */
  readonly variable?: string;
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
  ".pgpass",
  ".my.cnf",
  ".mylogin.cnf",
  ".vault-token",
  ".terraform.d",
  ".terraformrc",
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

/** The same, in folders that hold more: a cache of packages may be shared as long as none of these lies in it. */
const CREDENTIALS_AMONG_OTHERS: readonly string[] = [
  ".m2/settings.xml",
  ".m2/settings-security.xml",
  ".gradle/gradle.properties",
  ".gem/credentials",
  ".composer/auth.json",
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

export interface HostPaths extends Pick<PathFacts, "root" | "home" | "realPath" | "unseen" | "found"> {
  /** Variables that may name other places of credentials than the usual ones. */
  readonly env?: Environment | undefined;
  /** Absolute path of sandkeep's own state, where it is known. */
  readonly stateDir?: string | undefined;
  /** Absolute paths on which the fleet's own engines listen. */
  readonly sockets?: readonly string[];
}

export interface Exposure {
  readonly kind: ProtectedKind;
  /** A clause: `/home/me/.ssh lies in …`. */
  readonly what: string;
  /** The environment variable that it goes by. */
  readonly variable?: string;
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
  return guarded.flatMap(({ path: at, folded: guard, kind, why, whole, apart, variable }) => {
    const how = relation(path, guard);
    if (how === undefined || (apart === true && how === "contains")) return [];
    if (whole === true && how === "lies in") return [];
    const what = `${spelling} ${how} ${at}, which ${why}`;
    return [
      variable === undefined ? { kind, what } : { kind, what: `${what}: ${variable} names it`, variable },
    ];
  });
}

/**
 * Who runs sandkeep as root could hand out every user's keys. A folder there may be no home, so that it holds only what is
 * there; the user's own is guarded for what may come.
 */
function othersHome(path: string, host: HostPaths): Guarded[] {
  const [home] = SOMEBODYS_HOME.exec(path) ?? [];
  if (home === undefined) return [];
  const all = credentialsIn(home, host).map(folded);
  return withoutSlash(path) === home ? all.filter((each) => host.found(each.path) !== undefined) : all;
}

const HOLDS_CREDENTIALS = "holds credentials";

function credentialsIn(home: string, host: HostPaths): ProtectedPath[] {
  const at = (name: string): ProtectedPath => row(posix.join(home, name), "credentials", HOLDS_CREDENTIALS);
  return [
    ...CREDENTIALS.map(at),
    ...CREDENTIALS_AMONG_OTHERS.map((name) => apartUnlessThere(at(name), host)),
  ];
}

/** What may yet come is no reason to refuse what lies around it. */
function apartUnlessThere(each: ProtectedPath, { found }: HostPaths): ProtectedPath {
  return found(each.path) === undefined ? { ...each, apart: true } : each;
}

function namedPaths(host: HostPaths): ProtectedPath[] {
  const { env, root, home, realPath } = host;
  if (env === undefined) return [];
  // What is kept in the project is in the hands of who works on it already; a project that holds the home is none.
  const isProjects = (path: string): boolean =>
    !isInside(home, root) && isInside(realPath(path), realPath(root));
  return credentialsNamed(env, [root, home], realPath)
    .filter(({ path }) => !isProjects(path))
    .map((each) =>
      apartUnlessThere(
        { ...each, why: each.kind === "credentials" ? HOLDS_CREDENTIALS : `is ${A_SOCKET}` },
        host,
      ),
    );
}

function guardedPaths(host: HostPaths): readonly ProtectedPath[] {
  const homes = [...new Set([posix.normalize(host.home), host.realPath(host.home)])];
  const credentials = homes.flatMap((home) => credentialsIn(home, host));
  // For root itself /root is an ordinary home: what is secret in it is in the list of credentials.
  const system = SYSTEM.filter(({ path }) => path !== ROOT_HOME || !homes.includes(ROOT_HOME));
  const kept = "holds sandkeep's records and its secret key";
  const state: ProtectedPath[] =
    host.stateDir === undefined
      ? []
      : [{ ...row(posix.normalize(host.stateDir), "state", kept), apart: true }];
  const sockets = [...USUAL_SOCKETS, ...(host.sockets ?? [])].map((path) =>
    row(posix.normalize(path), "engine-socket", `is ${A_SOCKET}`),
  );
  const written = [...system, ...credentials, ...sockets, ...state, ...namedPaths(host)];
  // Each by itself: one that holds only in part must not stand in for another that leads to the same place.
  const real = written.flatMap((each) => {
    const path = host.realPath(each.path);
    return path === each.path ? [] : [{ ...each, path }];
  });
  return [...written, ...real];
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
