import { expect, test } from "vitest";
import type { HostPaths } from "../../src/policy/protected-paths.ts";
import { pathGuard } from "../../src/policy/protected-paths.ts";

// Where a variable moves credentials, they are guarded as in the usual place; and one that is set wrongly refuses nothing.

const THERE = "/srv/keys";

function host(env: Record<string, string>, links: Readonly<Record<string, string>> = {}): HostPaths {
  return {
    root: "/srv/team/project",
    home: "/home/me",
    env,
    realPath: (path) => links[path] ?? path,
    unseen: () => undefined,
    found: (path) => (path.startsWith(`${THERE}/`) || path.endsWith("/there") ? "other" : undefined),
  };
}

/** `KIND VARIABLE` of each exposure. */
function exposed(path: string, env: Record<string, string>, links?: Readonly<Record<string, string>>) {
  return pathGuard(host(env, links))(path).map(({ kind, variable }) => `${kind} ${variable ?? ""}`);
}

test.each([
  ["KUBECONFIG", "/srv/keys/x", "/srv/keys/x"],
  ["KUBECONFIG", "/srv/keys/x", "/srv/keys"],
  ["KUBECONFIG", ":/srv/keys/x:/srv/keys/y/", "/srv/keys/y"],
  ["AWS_SHARED_CREDENTIALS_FILE", "/srv/keys/../keys/x", "/srv/keys/x"],
  ["AWS_CONFIG_FILE", "/aws", "/aws"],
  ["AWS_WEB_IDENTITY_TOKEN_FILE", "/srv/keys/x", "/srv/keys/x"],
  ["GOOGLE_APPLICATION_CREDENTIALS", "/srv/keys/x.json", "/srv/keys/X.json"],
  ["NETRC", "/srv/keys/x", "/srv/keys/x"],
  ["NPM_CONFIG_USERCONFIG", "/srv/keys/x", "/srv/keys/x"],
  ["npm_config_userconfig", "/srv/keys/x", "/srv/keys/x"],
  ["PGPASSFILE", "/srv/keys/x", "/srv/keys/x"],
  ["REGISTRY_AUTH_FILE", "/srv/keys/x", "/srv/keys/x"],
  ["KRB5CCNAME", "FILE:/tmp/krb5cc_0", "/tmp/krb5cc_0"],
  ["SSH_AUTH_SOCK", "/tmp/agent.1", "/tmp/agent.1"],
  ["SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1", "/tmp/ssh-x"],
  ["SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1", "/tmp/ssh-x/agent.2"],
  ["DOCKER_CONFIG", "/srv/docker", "/srv/docker/config.json"],
  ["DOCKER_CONFIG", "/docker/", "/docker/contexts"],
  ["DOCKER_CERT_PATH", "/srv/certs", "/srv/certs/key.pem"],
  ["GNUPGHOME", "/srv/gnupg", "/srv/gnupg"],
  ["CLOUDSDK_CONFIG", "/srv/gcloud", "/srv/gcloud/credentials.db"],
  ["AZURE_CONFIG_DIR", "/srv/azure", "/srv/azure"],
  ["GH_CONFIG_DIR", "/srv/gh", "/srv/gh/hosts.yml"],
  ["PASSWORD_STORE_DIR", "/srv/pass", "/srv/pass/x.gpg"],
  ["XDG_CONFIG_HOME", "/srv/config", "/srv/config/gh/hosts.yml"],
  ["XDG_DATA_HOME", "/srv/share", "/srv/share/keyrings/login.keyring"],
  ["XDG_RUNTIME_DIR", "/srv/keys", "/srv/keys/keyring/ssh"],
  ["CARGO_HOME", "/srv/keys", "/srv/keys"],
])("%s=%s guards %s", (variable, value, path) => {
  expect(exposed(path, {})).toEqual([]);
  expect(exposed(path, { [variable]: value })).toContain(`credentials ${variable}`);
});

test("the sockets of a user's own engines are guarded where their folder is, and in what holds it", () => {
  const env = { XDG_RUNTIME_DIR: THERE };
  expect(exposed("/srv/keys/podman", env)).toEqual(["engine-socket XDG_RUNTIME_DIR"]);
  expect(exposed("/srv/keys/pulse", env)).toEqual([]);
});

test("a place is guarded where a link leads, and a link to what holds much is none", () => {
  const env = { DOCKER_CONFIG: "/srv/link", KUBECONFIG: "/srv/kube" };
  const links = { "/srv/link": "/opt2/docker", "/srv/kube": "/srv/team" };
  expect(exposed("/opt2/docker/config.json", env, links)).toEqual(["credentials DOCKER_CONFIG"]);
  expect(exposed("/srv/team", env, links)).toEqual([]);
  expect(exposed("/srv/team", { DOCKER_CONFIG: "/srv/kube" }, links)).toEqual([]);
});

test("a variable that names a usual place by one file leaves all of it guarded", () => {
  const links = { "/home/me/.ssh": "/srv/vault" };
  expect(exposed("/srv/vault/id", { KUBECONFIG: "/srv/vault" }, links)).toEqual(["credentials "]);
});

const FOLDERS = ["DOCKER_CONFIG", "GNUPGHOME", "CLOUDSDK_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"];
const FILES = ["KUBECONFIG", "AWS_CONFIG_FILE", "NETRC", "SSH_AUTH_SOCK", "GOOGLE_APPLICATION_CREDENTIALS"];
const MUCH = ["", " ", "/", "//", "/.", "/tmp", "/tmp/", "/var", "/var/tmp", "/home", "/home/me", "/srv"];

test.each([
  ...MUCH,
  "/srv/team",
  "/srv/team/project",
  "/srv/team/project/../",
  "/srv/team/project/sub/there",
  ".",
  "..",
  "kube",
  "~/kube",
  "~",
  ":",
  "/dev/null",
  "/dev/fd/63",
  "/proc/self/fd/3",
  "/srv/temporary",
])("%j refuses nothing, whichever variable says it", (value) => {
  for (const variable of [...FOLDERS, ...FILES]) {
    const env = { TMPDIR: "/srv/temporary/job", [variable]: value };
    for (const path of [
      "/tmp/x",
      "/srv/team/project",
      "/srv/team/project/sub",
      "/home/me/x",
      "/srv/temporary",
    ])
      expect(exposed(path, env), `${variable} ${path}`).toEqual([]);
  }
});

test.each([
  ["SSH_AUTH_SOCK", "/tmp/agent.1", "/tmp/x"],
  // Left over from a session that has ended.
  ["SSH_AUTH_SOCK", "/srv/team/project/agent/1", "/srv/team/project"],
  ["KUBECONFIG", "/srv/team/project/.kube/config", "/srv/team/project"],
  ["KUBECONFIG", "/srv/keys", "/srv/keys/x"],
  ["CARGO_HOME", "/srv/team/project", "/srv/team/project/registry"],
  ["CARGO_HOME", "/srv/team/project/.cargo", "/srv/team/project/.cargo"],
  ["XDG_RUNTIME_DIR", "/tmp", "/tmp/x"],
])("%s=%s says nothing of %s", (variable, value, path) => {
  expect(exposed(path, { [variable]: value })).toEqual([]);
});
