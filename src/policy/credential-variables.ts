/**
 * In: environment variables, and which folders much lies in. Out: where programs keep credentials because a variable says so,
 * instead of where they usually do. What a variable says may be wrong: it never makes more than itself a secret. Pure.
 */
import { posix } from "node:path";
import { isInside } from "./inside.ts";

export interface NamedPath {
  /** Absolute, normalised. */
  readonly path: string;
  readonly kind: "credentials" | "engine-socket";
  /** The variable that says so. */
  readonly variable: string;
  /** What lies in it, should it be a folder, is none of its secrets. */
  readonly whole?: true;
}

export type Environment = Readonly<Record<string, string | undefined>>;

type Reading = (value: string) => readonly Omit<NamedPath, "variable">[];

const file: Reading = (path) => [{ path, kind: "credentials", whole: true }];
const files: Reading = (list) => list.split(posix.delimiter).flatMap(file);
const folder: Reading = (path) => [{ path, kind: "credentials" }];
/** Agents make a folder of their own for their socket, and others beside it. */
const socketInFolder: Reading = (path) => [...file(path), ...folder(posix.dirname(path))];
/** Of a folder that holds more than secrets, only these. */
const within =
  (...names: readonly string[]): Reading =>
  (path) =>
    names.flatMap((name) => folder(posix.join(path, name)));
const socketsWithin =
  (...names: readonly string[]): Reading =>
  (path) =>
    names.map((name) => ({ path: posix.join(path, name), kind: "engine-socket", whole: true }));

const VARIABLES: readonly (readonly [name: string, ...readings: Reading[]])[] = [
  ["SSH_AUTH_SOCK", socketInFolder],
  ["GNUPGHOME", folder],
  ["PASSWORD_STORE_DIR", folder],
  ["KUBECONFIG", files],
  ["DOCKER_CONFIG", folder],
  ["DOCKER_CERT_PATH", folder],
  ["REGISTRY_AUTH_FILE", file],
  ["AWS_SHARED_CREDENTIALS_FILE", file],
  ["AWS_CONFIG_FILE", file],
  ["AWS_WEB_IDENTITY_TOKEN_FILE", file],
  ["AZURE_CONFIG_DIR", folder],
  ["AZURE_FEDERATED_TOKEN_FILE", file],
  ["CLOUDSDK_CONFIG", folder],
  ["GOOGLE_APPLICATION_CREDENTIALS", file],
  ["GH_CONFIG_DIR", folder],
  ["NETRC", file],
  ["NPM_CONFIG_USERCONFIG", file],
  ["npm_config_userconfig", file],
  ["CARGO_HOME", within("credentials.toml", "credentials")],
  ["PGPASSFILE", file],
  // `FILE:/tmp/krb5cc_1000`: what is before the path is left out like anything relative.
  ["KRB5CCNAME", files],
  ["XDG_CONFIG_HOME", folder],
  ["XDG_DATA_HOME", within("keyrings", "containers")],
  [
    "XDG_RUNTIME_DIR",
    within("keyring", "gcr", "gnupg", "containers/auth.json"),
    socketsWithin("docker.sock", "podman/podman.sock", "buildkit/buildkitd.sock"),
  ],
];

/** Beside each variable's own: everybody's folders, in which what a sandbox may have lies as well. */
const SHARED: readonly string[] = [
  "/data",
  "/etc",
  "/home",
  "/media",
  "/mnt",
  "/opt",
  "/private",
  "/private/tmp",
  "/private/var",
  "/private/var/tmp",
  "/run/user",
  "/srv",
  "/tmp",
  "/Users",
  "/usr",
  "/usr/local",
  "/var",
  "/var/tmp",
  "/Volumes",
];

/** What lies there is nobody's file: `KUBECONFIG=/dev/null` is how a program is told to have none. */
const NO_FILES = /^\/(?:dev|proc)(?:\/|$)/;

/**
 * Paths that are named; `own` are folders that no variable makes a secret, nor what they lie in, such as the project's. What
 * is relative is left out: it means something else to each program.
 */
export function credentialsNamed(
  env: Environment,
  own: readonly string[],
  realPath: (path: string) => string,
): readonly NamedPath[] {
  const busy = [...SHARED, ...own, env["TMPDIR"] ?? "", env["XDG_RUNTIME_DIR"] ?? ""]
    .filter((path) => posix.isAbsolute(path))
    .flatMap((path) => [posix.normalize(path), realPath(path)]);
  const holdsMuch = (path: string): boolean => busy.some((each) => isInside(each, path));
  return VARIABLES.flatMap(([variable, ...readings]) => {
    const value = env[variable] ?? "";
    return readings
      .flatMap((read) => read(value))
      .filter(({ path }) => posix.isAbsolute(path) && !NO_FILES.test(path))
      .map((each) => ({ ...each, path: posix.normalize(each.path), variable }))
      .filter(({ path }) => !holdsMuch(path) && !holdsMuch(realPath(path)));
  });
}
