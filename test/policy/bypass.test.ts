import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/index.ts";
import type { Diagnostic } from "../../src/model/diagnostic.ts";
import { BREAK_GLASS_KEYS } from "../../src/config/schema/break-glass.ts";
import { loadFleet } from "../../src/policy/fleet.ts";
import { SECURITY_RULES } from "../../src/policy/security-rules.ts";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import { lineOf, temporaryFolder } from "../support/fleet-text.ts";

// For every rule: ways around it that somebody may try, each refused at the key's own line; and for every exception that
// it allows one only with its own key, which is then told.

interface Attempt {
  /** Keys of `[sandbox.docker]`, or of `[sandbox]` where they begin with one of its own. */
  readonly keys: string;
  /** The line that is refused; the first of `keys` where absent. */
  readonly at?: string;
}

const bind = (source: string, target = "/mnt/x:ro"): Attempt => ({ keys: `binds = ["${source}:${target}"]` });
const keys = (text: string): Attempt => ({ keys: text });
/** With all of the machine allowed, so that nothing but the rule itself refuses. */
const anywhere = (attempt: Attempt): Attempt => ({ keys: `${attempt.keys}\nallowed_roots = ["/", "~"]` });

/** Beside the project and the home: `links/N` are made by `prepare`. */
const ATTEMPTS: Readonly<Record<string, readonly Attempt[]>> = {
  "bind-source-system": [
    "/etc",
    "/etc/../etc/./",
    "//etc//ssl",
    "/usr/../etc/shadow",
    "/ETC/Shadow",
    "/\\uFF45tc",
    "/\\u212Ftc",
    "/var/lib/../lib/docker",
    "/proc/self/root/etc",
    "../links/etc",
    "../links/chain/passwd",
    "../links/chain/not-there/../not-there-either",
    "../links/up/etc",
    "./../links/./chain",
    "../links/beyond",
    "../links/back",
    "../links/self/below",
    `../links/${"x".repeat(256)}`,
    "/usr",
    "/usr/local",
    "/usr/local/bin/tool",
    "/usr/share/../lib/x",
    "/bin",
    "/lib64/security",
    "/opt",
    "/opt/x/..",
    "/var/spool/cron/crontabs",
    "../links/lib",
    ...[0, 1, 24, 239, 240, 255, 279].map((from) => `../links/row${from}`),
  ].map((source) => anywhere(bind(source))),
  "bind-source-credentials": [
    "~",
    "~/.",
    "~/.ssh",
    "~/.ssh/../.ssh/id_ed25519",
    "~//.SSH",
    "~/.\\u017F\\u017Fh",
    "../home",
    "../home/.aws",
    "../links/keys",
    "../links/home/.config",
    "..",
    "/home",
    "/Users/",
    "/home/./alice/.ssh/id_ed25519",
    "/HOME/Alice/.AWS",
    "~/.pgpass",
    "~/.m2/settings.xml",
    "~/.m2",
    "~/.terraform.d/credentials.tfrc.json",
    "../agent",
    "../agent/socket",
    "../agent/./another",
    "../vault",
    "../vault/kube",
    "../vault/sub/../Kube",
    "../vault/other",
    "../links/vault/kube",
    "../docker-cli/config.json",
    "../rings/private-keys-v1.d",
    "../links/rings",
  ].map((source) => anywhere(bind(source))),
  "bind-source-engine-socket": [
    "/srv/docker.sock",
    "/srv/./x/../docker.sock",
    "/srv/DOCKER.SOCK",
    "../links/socket",
    "../links/twice",
    "/srv/podman.sock/",
    "/mnt/engine/api",
    "/mnt/engine",
    "/mnt/./Engine/",
    "../links/folder",
  ].map((source) => anywhere(bind(source))),
  "bind-source-state": ["../state", "../state/secret-key", "../links/state"].map((source) =>
    anywhere(bind(source)),
  ),
  "bind-source-outside-roots": [
    "/srv",
    "../beside",
    "./../beside/",
    "../links/beside",
    "../projects",
    "/etc.",
    "/etc ",
    "/\\u0435tc",
    "/e\\u0301tc",
    "./x/../../beside",
  ].map((source) => bind(source)),
  "bind-target-workspace": ["/workspace", "/workspace/"].map((target) => bind("./x", target)),
  "bind-target-reserved": ["/etc", "/etc/", "/proc/sys", "/dev/shm", "/sys/fs"].map((target) =>
    bind("./x", target),
  ),
  "tmpfs-target-reserved": [
    keys('tmpfs = ["/proc"]'),
    keys('tmpfs = ["/dev:size=1m"]'),
    keys('tmpfs = ["/etc/"]'),
    keys('tmpfs = ["/sys/fs/cgroup:rw,exec"]'),
    { keys: 'tmpfs = ["/home"]\nworkspace.target = "/home/me"', at: "tmpfs" },
  ],
  "workspace-source-exposed": [
    "/",
    "/etc/..",
    "~/",
    "../links/keys",
    "../links/up",
    "/var/lib",
    "../state",
    "/usr/local",
    "/home/alice/.ssh",
    "../links/folder",
    "../vault",
    "../docker-cli/sub",
  ].map((source) => keys(`workspace.source = "${source}"`)),
  "workspace-target-reserved": ["/etc", "/etc/", "/dev/x", "/proc"].map((target) =>
    keys(`workspace.target = "${target}"`),
  ),
  "network-host": ["host", "HOST", "Host"].map((network) => keys(`network = "${network}"`)),
  "network-container": ["container:x", "CONTAINER:x", "container:", "ns:/proc/1/ns/net"].map((network) =>
    keys(`network = "${network}"`),
  ),
  "seccomp-unconfined": ["unconfined", "Unconfined", " unconfined", "UNCONFINED\\t"].map((value) =>
    keys(`seccomp = "${value}"`),
  ),
  "seccomp-allows-all": [
    "allow-all.json",
    "./sub/../log-all.json",
    "../links/allow.json",
    "allow-more.json",
    "any-case.json",
    "twice.json",
    "names-nothing.json",
    "elsewhere.json",
  ].map((value) => keys(`seccomp = "${value}"`)),
  "apparmor-unconfined": ["unconfined", "UnConfined", "unconfined "].map((value) =>
    keys(`apparmor = "${value}"`),
  ),
  "user-root": ["root", "0", "0:1000", "00", "root:root", "app", "-1", "0x3e8"].map((user) => ({
    keys: `forbid_root = true\nuser = "${user}"`,
    at: "user",
  })),
};

/** A folder with a socket in it that an engine could listen on. */
let listening = "";
const engine = createServer();
beforeAll(async () => {
  listening = await mkdtemp("/tmp/sandkeep-socket-");
  engine.listen(join(listening, "docker.sock"));
  await once(engine, "listening");
});
afterAll(async () => {
  engine.close();
  await rm(listening, { recursive: true, force: true });
});

function prepare(folder: string): void {
  const folders = ["project/sub", "home/.ssh", "home/.config", "home/.m2", "state", "beside", "links"];
  for (const each of [...folders, "agent", "vault", "docker-cli", "rings"])
    mkdirSync(join(folder, each), { recursive: true });
  for (const each of ["home/.m2/settings.xml", "vault/kube"]) writeFileSync(join(folder, each), "secret");
  const links = {
    etc: "/etc",
    chain: "etc",
    up: "/",
    keys: "../home/.ssh",
    home: join(folder, "home"),
    beside: "../beside",
    state: "../state",
    vault: "../vault",
    rings: "../rings",
    // Nothing is there yet.
    socket: "/srv/not-there/docker.sock",
    folder: listening,
    twice: "socket",
    "allow.json": "../project/allow-all.json",
    // `..` is the parent of where a link leads: this is the one in /usr, not the one beside it.
    lib: "/usr/lib",
    beyond: "lib/../../etc",
    // Leads to /etc/ssl, not to itself.
    certificates: "/etc/ssl",
    back: "certificates/../back",
    self: "self",
    row280: "/etc",
    ...Object.fromEntries(Array.from({ length: 280 }, (_, at) => [`row${at}`, `row${at + 1}`])),
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(folder, "links", name));
  const profile = (name: string, value: object): void =>
    writeFileSync(join(folder, "project", name), JSON.stringify(value));
  profile("allow-all.json", { defaultAction: "SCMP_ACT_ALLOW" });
  profile("log-all.json", { defaultAction: "SCMP_ACT_LOG", syscalls: [] });
  profile("allow-more.json", {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["open"], action: "SCMP_ACT_ALLOW" }],
  });
  profile("any-case.json", { DefaultAction: "SCMP_ACT_ALLOW" });
  profile("twice.json", { defaultAction: "SCMP_ACT_ERRNO", DEFAULTACTION: "SCMP_ACT_ALLOW" });
  const refuses = (entry: object): object => ({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ action: "SCMP_ACT_ERRNO", ...entry }],
  });
  profile("names-nothing.json", refuses({ names: [] }));
  profile("elsewhere.json", refuses({ names: ["open"], includes: { arches: ["s390x"] } }));
  profile("strict.json", { defaultAction: "SCMP_ACT_ERRNO", syscalls: [] });
}

/** Where this user's programs keep credentials, other than usual. */
function moved(folder: string): Record<string, string> {
  return {
    SSH_AUTH_SOCK: join(folder, "agent", "socket"),
    KUBECONFIG: `not/absolute::${folder}/vault/kube:${folder}/vault/other`,
    DOCKER_CONFIG: join(folder, "docker-cli"),
    GNUPGHOME: join(folder, "links", "rings"),
  };
}

/** Everything that is told of a fleet whose docker section says `text`. */
async function told(text: string): Promise<{ readonly found: readonly Diagnostic[]; readonly text: string }> {
  const folder = temporaryFolder();
  prepare(folder);
  const lines = text.split("\n");
  const shared = lines.filter((line) => line.startsWith("workspace."));
  const own = lines.filter((line) => !line.startsWith("workspace."));
  const access = shared.length > 0 ? 'workspace.access = "rw"\n' : "";
  const body = `[sandbox]\nbackend = "docker"\n${access}${shared.join("\n")}\n[sandbox.docker]\nimage = "x"\n${own.join("\n")}\n[agents.a]\n`;
  writeFileSync(
    join(folder, "project", "sandkeep.toml"),
    `version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\n${body}`,
  );
  const fleet = await loadFleet({
    cwd: join(folder, "project"),
    env: { ...moved(folder), HOME: join(folder, "home"), DOCKER_HOST: "unix:///mnt/engine/api" },
    drivers: builtInDrivers,
    stateDir: join(folder, "state"),
  });
  return { found: fleet.diagnostics, text: body };
}

/** Errors, but for the driver's own word on two mounts at one place. */
function refusals(found: readonly Diagnostic[]): readonly Diagnostic[] {
  return found.filter(({ severity, code }) => severity === "error" && code !== "mount-conflict");
}

describe.each(SECURITY_RULES)("$code", ({ code, glass, hint }) => {
  const attempts = ATTEMPTS[code] ?? [];

  it("is tried in more than one way", () => {
    expect(attempts.length).toBeGreaterThan(1);
  });

  it.each(attempts)(
    "refuses $keys",
    async ({ keys: written, at = written.slice(0, written.indexOf(" =")) }) => {
      const { found, text } = await told(written);
      const errors = refusals(found);
      expect(errors.map((each) => each.code)).toEqual([code]);
      expect(errors).toMatchObject([
        { file: "sandkeep.toml", line: lineOf(text, at), hint: expect.stringContaining(hint) },
      ]);
    },
  );

  it("has no exception but one of its own, which is told with its reason", async () => {
    const [attempt] = attempts;
    const all = BREAK_GLASS_KEYS.filter((key) => key !== glass);
    const other = all.map((key) => `break_glass.${key} = "a drill"`).join("\n");
    const written = attempt?.keys ?? "";
    const refused = (await told(`${written}\n${other}`)).found;
    expect(refusals(refused)).toMatchObject([{ code }]);
    expect(refused.filter((each) => each.code === "break-glass-unused")).toHaveLength(all.length);
    if (glass === undefined) return;
    const { found, text } = await told(`${written}\nbreak_glass.${glass} = "a drill"`);
    expect(found).toMatchObject([
      {
        severity: "warning",
        code: "break-glass",
        path: `sandbox.docker.break_glass.${glass}`,
        line: lineOf(text, `break_glass.${glass}`),
        message: expect.stringMatching(/on purpose: .*; the reason given: a drill$/),
      },
    ]);
    expect(refused.find(({ severity }) => severity === "error")?.hint).toContain(`break_glass.${glass}`);
  });
});

it("attempts are only about rules that there are, and so are exceptions", () => {
  const codes = new Set(SECURITY_RULES.map(({ code }) => code));
  expect(Object.keys(ATTEMPTS).filter((code) => !codes.has(code))).toEqual([]);
  const used = new Set(SECURITY_RULES.map(({ glass }) => glass));
  expect(BREAK_GLASS_KEYS.filter((key) => !used.has(key))).toEqual([]);
});

it.each(["/", "/.//..", "//"])(
  "%s holds several of these, and needs an exception for each",
  async (source) => {
    const kinds = ["system", "credentials", "engine-socket"];
    const attempt = anywhere(bind(source)).keys;
    const allowed = (count: number): string =>
      kinds
        .slice(0, count)
        .map((kind) => `\nbreak_glass.bind_source_${kind.replace("-", "_")} = "a drill"`)
        .join("");
    for (const count of kinds.keys()) {
      const { found } = await told(attempt + allowed(count));
      const codes = new Set(refusals(found).map(({ code }) => code));
      expect(codes).toEqual(new Set(kinds.slice(count).map((kind) => `bind-source-${kind}`)));
    }
    expect(refusals((await told(attempt + allowed(kinds.length))).found)).toEqual([]);
  },
);

it.each([
  ["KUBECONFIG", anywhere(bind("../vault/kube")).keys],
  ["SSH_AUTH_SOCK", anywhere(bind("../agent")).keys],
  ["DOCKER_CONFIG", 'workspace.source = "../docker-cli"'],
])("%s is told where it is what a path is refused for", async (variable, text) => {
  const { found } = await told(text);
  expect(refusals(found)).toMatchObject([
    {
      message: expect.stringMatching(new RegExp(`which holds credentials: ${variable} names it$`)) as string,
      hint: expect.stringContaining(`or let ${variable} name another place`) as string,
    },
  ]);
});

it("what is fine is not refused", async () => {
  const { found } = await told(
    'binds = ["./sub:/etc/ssl", "./new:/mnt", "../vault/notes:/notes", "~/.m2/repository:/m2"]\nallowed_roots = ["~/.m2", "../vault/notes"]\nnetwork = "hosts"\nseccomp = "strict.json"\nuser = "1000:0"\nforbid_root = true\ntmpfs = ["/dev/shm:size=1g", "/tmp"]',
  );
  expect(found).toEqual([]);
});

it("an exception without a reason is none", async () => {
  const { found } = await told('network = "host"\nbreak_glass.network_host = "  "');
  expect(found).toMatchObject([{ severity: "error", path: "sandbox.docker.break_glass.network_host" }]);
});

it("an exception of the fleet that one agent needs is not called needless", async () => {
  const { found } = await told(
    'break_glass.network_host = "a drill"\n[agents.b.sandbox.docker]\nnetwork = "host"',
  );
  expect(found.map(({ code }) => code)).toEqual(["break-glass"]);
});

describe("what goes to the engine cannot be injected into", () => {
  it.each([
    ["binds", 'binds = ["data:/x"]', /named volumes are not binds/],
    ["binds", 'binds = ["$HOME:/x"]', /expected a source path/],
    ["binds", 'binds = ["~root/.ssh:/x"]', /expected a source path/],
    ["binds", 'binds = ["./a:/x:rw:z"]', /expected "source:target/],
    ["binds", 'binds = ["./a:/x,z"]', null],
    ["binds", 'binds = ["./a:/x/../../etc"]', /absolute path inside the sandbox/],
    ["binds", 'binds = ["./a:/x\\nb:/y"]', /expected "source:target/],
    ["binds", 'binds = ["./a\\n:/y"]', /control characters/],
    ["volumes", 'volumes = ["data:/x"]', /"volumes" is refused/],
    ["privileged", "privileged = true", /"privileged" is refused/],
    ["devices", 'devices = ["/dev/kvm"]', /"devices" is refused/],
    ["cap-add", 'cap-add = ["SYS_ADMIN"]', /"cap-add" is refused/],
    ["pid", 'pid = "host"', /"pid" is refused/],
    ["gpus", 'gpus = "all,capabilities=utility"', /"all", a count/],
    ["labels", 'labels = { "sandkeep.fleet" = "x" }', /reserved/],
    ["labels", 'labels = { "a=b" = "x" }', /label name without/],
    ["labels", 'labels = { "a\\nb" = "x" }', /label name without/],
    ["labels", 'labels = { "a\\u200B" = "x" }', /label name without/],
    ["labels", 'labels = { a = "x\\u0000" }', /NUL/],
    ["env", 'env = { "A=B" = "x" }', /variable name/],
    ["env", 'env = { "A\\nB" = "x" }', /variable name/],
    ["env", 'env = { A = "x\\u0000B=1" }', /NUL/],
    ["env", 'env = { A = "x\\nB=1" }', null],
    ["extra_hosts", 'extra_hosts = ["a\\n10.0.0.1 b:10.0.0.2"]', /"name:ip"/],
    ["extra_hosts", 'extra_hosts = ["a b:10.0.0.2"]', /"name:ip"/],
    ["dns", 'dns = ["1.1.1.1\\nnameserver 2.2.2.2"]', /IP address/],
    ["user", 'user = "1000\\n0"', /"user"/],
    ["workdir", 'workdir = "/a\\nb"', /absolute path/],
    ["tmpfs", 'tmpfs = ["/tmp/../proc"]', /"\/path"/],
    ["tmpfs", 'tmpfs = ["/tmp\\n/proc"]', /"\/path"/],
    ["network", 'network = "bridge\\u0007"', /network name/],
    ["image", 'image = "x y"', /image name/],
  ])("%s: %s", async (key, text, refused) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "project"));
    const [head, body] = key === "env" ? [`${text}\n`, ""] : ["", `${text}\n`];
    const image = key === "image" ? "" : 'image = "x"\n';
    const config = `version = 1\nfleet = "team"\n[sandbox]\nbackend = "docker"\n${head}[sandbox.docker]\n${image}${body}[agents.a]\n`;
    writeFileSync(join(folder, "project", "sandkeep.toml"), config);
    const result = await loadConfig({ cwd: join(folder, "project"), backends: ["docker"] });
    const errors = result.diagnostics.filter(({ severity }) => severity === "error");
    if (refused === null) {
      expect(errors).toEqual([]);
      return;
    }
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toMatch(refused);
    expect(errors[0]?.line).toBe(config.split("\n").findIndex((line) => line.startsWith(key)) + 1);
  });
});
