import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkFleetSecurity, checkSecurity } from "../../src/policy/security.ts";
import { lineOf, resolveText, temporaryFolder } from "../support/fleet-text.ts";
import type { ResolvedText } from "../support/fleet-text.ts";

function check({ draft, facts }: ResolvedText) {
  return checkFleetSecurity(draft.agents, facts);
}

/** What is refused of one docker bind; the folder is the parent of the project and the home. */
async function refusedBind(bind: string, folder = temporaryFolder(), roots: readonly string[] = []) {
  const text = `[sandbox]\nbackend = "docker"\n[sandbox.docker]\nimage = "x"\nbinds = [${JSON.stringify(bind)}]\nallowed_roots = ${JSON.stringify(roots)}\n[agents.a]\n`;
  const found = check(await resolveText(text, folder));
  for (const { path, line } of found) {
    expect({ path, line }).toEqual({ path: "sandbox.docker.binds[0]", line: lineOf(text, "binds =") });
  }
  return found.map(({ code }) => code);
}

describe("bind sources", () => {
  it.each([
    "/",
    "//",
    "/.",
    "/..",
    "/etc",
    "/etc/",
    "/etc/.",
    "//etc//",
    "/etc/passwd",
    "/tmp/../etc",
    "/tmp/./..//etc/./shadow",
    "/ETC/shadow",
    "/proc/1/root",
    "/sys/fs/cgroup",
    "/dev",
    "/dev/mem",
    "/root",
    "/root/.bashrc",
    "/boot",
    "/run",
    "/var/run",
    "/var",
    "/var/lib",
    "/var/lib/docker/volumes",
    "/private/etc",
  ])("%s is a system path", async (source) => {
    expect(await refusedBind(`${source}:/mnt/x:ro`, undefined, ["/"])).toContain("bind-source-system");
  });

  it.each([
    "~/.ssh",
    "~/.ssh/",
    "~/.ssh/id_ed25519",
    "~/.aws/credentials",
    "~/.gnupg",
    "~/.docker/config.json",
    "~/.kube",
    "~/.config/gh/hosts.yml",
    "~/.netrc",
    "~/.npmrc",
    "~/.cargo",
    "~/.pgpass",
    "~/.my.cnf",
    "~/.vault-token",
    "~/.terraform.d",
    "~/.m2/settings.xml",
    "~/.gradle/gradle.properties",
    "~/.SSH",
    "~",
    "~/",
    "~/x/..",
    "../home/.ssh",
    "./../home",
    "..",
  ])("%s holds credentials", async (source) => {
    expect(await refusedBind(`${source}:/mnt/x:ro`, undefined, ["~", ".."])).toEqual([
      "bind-source-credentials",
    ]);
  });

  it.each(["/srv/docker.sock", "./docker.sock", "~/sub/podman.sock", "/srv/Containerd.sock"])(
    "%s is an engine's socket",
    async (source) => {
      expect(await refusedBind(`${source}:/mnt/x`, undefined, ["/srv", "~/sub"])).toEqual([
        "bind-source-engine-socket",
      ]);
    },
  );

  it.each(["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"])(
    "%s is refused as well",
    async (source) => {
      expect(await refusedBind(`${source}:/mnt/x`, undefined, ["/"])).toEqual([
        "bind-source-system",
        "bind-source-engine-socket",
      ]);
    },
  );

  it("are followed through chains of links", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "project"), { recursive: true });
    mkdirSync(join(folder, "home", ".ssh"), { recursive: true });
    symlinkSync("/etc", join(folder, "one"));
    symlinkSync(join(folder, "one"), join(folder, "two"));
    symlinkSync("../two", join(folder, "project", "three"));
    symlinkSync("../home/.ssh", join(folder, "project", "keys"));
    symlinkSync("/", join(folder, "project", "top"));
    expect(await refusedBind("./three:/mnt/x", folder)).toEqual(["bind-source-system"]);
    expect(await refusedBind("./three/passwd:/mnt/x", folder)).toEqual(["bind-source-system"]);
    expect(await refusedBind("./three/not-there-yet:/mnt/x", folder)).toEqual(["bind-source-system"]);
    expect(await refusedBind("./top/etc:/mnt/x", folder)).toEqual(["bind-source-system"]);
    expect(await refusedBind("./keys:/mnt/x", folder)).toEqual(["bind-source-credentials"]);
  });

  it("are judged where protected paths really are", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "project"), { recursive: true });
    mkdirSync(join(folder, "home"), { recursive: true });
    mkdirSync(join(folder, "vault"));
    symlinkSync("../vault", join(folder, "home", ".ssh"));
    expect(await refusedBind("../vault:/mnt/x", folder, [".."])).toEqual(["bind-source-credentials"]);
  });

  it("must lie in the workspace or an allowed root", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "project"), { recursive: true });
    mkdirSync(join(folder, "other"));
    symlinkSync("../other", join(folder, "project", "out"));
    expect(await refusedBind("./cache:/mnt/x", folder)).toEqual([]);
    expect(await refusedBind("../other:/mnt/x", folder)).toEqual(["bind-source-outside-roots"]);
    expect(await refusedBind("./out:/mnt/x", folder)).toEqual(["bind-source-outside-roots"]);
    expect(await refusedBind("../projects:/mnt/x", folder)).toEqual(["bind-source-outside-roots"]);
    expect(await refusedBind("../other:/mnt/x", folder, ["../other"])).toEqual([]);
    expect(await refusedBind("./out/sub:/mnt/x", folder, ["../other"])).toEqual([]);
  });

  it.each(["/etc.", "/etcetera", "/еtc", "/proc2", "/roots", "/etc...", "~/.sshd", "~/.ѕsh"])(
    "%s is simply another name",
    async (source) => {
      expect(await refusedBind(`${source}:/mnt/x`, undefined, ["/srv"])).toEqual([
        "bind-source-outside-roots",
      ]);
    },
  );
});

describe("bind targets", () => {
  it.each(["/workspace", "/workspace/"])("%s is the workspace's", async (target) => {
    expect(await refusedBind(`./x:${target}`)).toEqual(["bind-target-workspace"]);
  });

  it.each([
    "/proc",
    "/proc/sys",
    "/sys/kernel",
    "/dev",
    "/dev/shm",
    "/etc",
    "/etc/",
    "/run/sandkeep",
    "/run/sandkeep/x",
    "/var/run/sandkeep",
  ])("%s is reserved", async (target) => {
    expect(await refusedBind(`./x:${target}`)).toEqual(["bind-target-reserved"]);
  });

  it.each([
    "/workspace/node_modules",
    "/etc/ssl/certs/ca.pem",
    "/mnt/x",
    "/workspaces",
    "/process",
    "/run",
    "/run/sandkeeper",
  ])("%s is free", async (target) => {
    expect(await refusedBind(`./x:${target}`)).toEqual([]);
  });

  it("may not lie over a workspace that was moved", async () => {
    const resolved = await resolveText(
      '[sandbox]\nbackend = "docker"\nworkspace = { target = "/home/me/work" }\n[sandbox.docker]\nbinds = ["./x:/home/me", "./y:/workspace"]\n[agents.a]\n',
    );
    expect(check(resolved)).toMatchObject([
      { code: "bind-target-workspace", path: "sandbox.docker.binds[0]" },
    ]);
  });
});

describe("containers", () => {
  it.each([
    ["network", "host", "network-host"],
    ["network", "HOST", "network-host"],
    ["network", "container:other", "network-container"],
    ["network", "Container:0123", "network-container"],
    ["seccomp", "unconfined", "seccomp-unconfined"],
    ["seccomp", "Unconfined", "seccomp-unconfined"],
    ["apparmor", " unconfined ", "apparmor-unconfined"],
    ["network", "ns:/proc/1/ns/net", "network-container", "podman"],
    ["network", "pod:other", "network-container", "podman"],
    ["network", "slirp4netns:allow_host_loopback=true", "network-host", "podman"],
    ["network", "container:other", "network-container", "podman"],
    ["network", "host", "network-host", "podman"],
    ["seccomp", "unconfined", "seccomp-unconfined", "podman"],
    ["apparmor", "unconfined", "apparmor-unconfined", "podman"],
  ])("refuse %s = %j", async (key, value, code, backend = "docker") => {
    const text = `[sandbox]\nbackend = "${backend}"\n[agents.a.sandbox.${backend}]\n${key} = ${JSON.stringify(value)}\n`;
    expect(check(await resolveText(text))).toMatchObject([
      {
        severity: "error",
        code,
        path: `agents.a.sandbox.${backend}.${key}`,
        file: "sandkeep.toml",
        line: lineOf(text, `${key} =`),
      },
    ]);
  });

  it.each([
    ["network", "bridge"],
    ["network", "hosts"],
    ["seccomp", "default"],
    ["apparmor", "docker-default"],
  ])("may have %s = %j", async (key, value) => {
    const text = `[sandbox]\nbackend = "docker"\n[agents.a.sandbox.docker]\n${key} = ${JSON.stringify(value)}\n`;
    expect(check(await resolveText(text))).toEqual([]);
  });

  it("is nothing to a sandbox without one", async () => {
    expect(
      check(
        await resolveText(
          '[sandbox.docker]\nnetwork = "host"\n[sandbox.local]\nnetwork = "host"\n[agents.a]\n',
        ),
      ),
    ).toEqual([]);
  });
});

describe("the workspace", () => {
  it.each(["/", "/etc", "/var", "~", "~/.ssh", "../home", ".."])("may not be %s", async (source) => {
    const text = `[sandbox.workspace]\nsource = "${source}"\n[agents.a]\n`;
    expect(check(await resolveText(text))).toMatchObject([
      { code: "workspace-source-exposed", path: "sandbox.workspace.source", line: lineOf(text, "source") },
    ]);
  });

  it("may be anything that no sandbox sees", async () => {
    expect(
      check(await resolveText('[sandbox.workspace]\nsource = "/"\naccess = "none"\n[agents.a]\n')),
    ).toEqual([]);
  });

  it("that no sandbox may have opens nothing that lies in it, also where it is not given", async () => {
    const text =
      '[sandbox]\nbackend = "docker"\n[sandbox.workspace]\nsource = "/"\naccess = "none"\n[sandbox.docker]\nbinds = ["/srv/x:/mnt/x"]\n[agents.a]\n';
    expect(check(await resolveText(text))).toMatchObject([{ code: "bind-source-outside-roots" }]);
  });

  it.each(["/etc", "/proc/x", "/dev"])("may not appear at %s", async (target) => {
    const text = `[sandbox.workspace]\ntarget = "${target}"\n[agents.a]\n`;
    expect(check(await resolveText(text))).toMatchObject([{ code: "workspace-target-reserved" }]);
  });

  it("may be a folder beside others' homes, but not one that somebody keeps keys in", async () => {
    const { draft, facts } = await resolveText('[sandbox.workspace]\nsource = "/home/app"\n[agents.a]\n');
    const [agent] = draft.agents;
    if (agent === undefined) throw new Error("no agent");
    const holding = (path: string) => ({
      ...facts,
      found: (each: string) => (each === path ? ("other" as const) : undefined),
    });
    expect(checkSecurity(agent, holding("/home/app/src"))).toEqual([]);
    expect(checkSecurity(agent, holding("/home/app/.ssh"))).toMatchObject([
      { code: "workspace-source-exposed", message: expect.stringContaining("holds credentials") },
    ]);
  });

  it("may lie in the home of root, but not hold it", async () => {
    const { draft, facts } = await resolveText('[sandbox.workspace]\nsource = "/root/project"\n[agents.a]\n');
    const [agent] = draft.agents;
    if (agent === undefined) throw new Error("no agent");
    expect(checkSecurity(agent, { ...facts, home: "/root" })).toEqual([]);
    expect(checkSecurity(agent, facts)).toMatchObject([{ code: "workspace-source-exposed" }]);
  });
});

describe("the state directory", () => {
  /** Codes for a state directory, a workspace source and a bind source, each seen from the project. */
  const refused = async (state: string, source: string, bind: string, folder = temporaryFolder()) => {
    const text = `[sandbox]\nbackend = "docker"\n[sandbox.workspace]\nsource = "${source}"\naccess = "rw"\n[sandbox.docker]\nbinds = ["${bind}:/mnt/x:ro"]\nallowed_roots = [".."]\n[agents.a]\n`;
    const resolved = await resolveText(text, folder);
    const stateDir = join(folder, "project", state);
    const found = checkFleetSecurity(resolved.draft.agents, { ...resolved.facts, stateDir });
    for (const { message } of found) expect(message).toContain("secret key");
    return found.map(({ code }) => code);
  };
  const [workspace, bind] = ["workspace-source-exposed", "bind-source-state"];

  it.each([
    [".st", ".", "./sub", []],
    [".st", ".", ".", []],
    ["../state", ".", "./sub", []],
    [".st", ".st", "./sub", [workspace]],
    [".st", ".st/", "./sub", [workspace]],
    [".st", "./x/../.st/fleets", "./sub", [workspace]],
    ["../state", "../state/local", "./sub", [workspace]],
    [".st", ".", ".st", [bind]],
    [".st", ".", "./.st/secret-key", [bind]],
    ["../state", ".", "../state", [bind]],
    [".st", ".st", ".st/x", [bind, workspace]],
    [".st", ".state", ".str", []],
  ])("at %s may not be the workspace %s or the bind %s", async (state, source, bound, codes) => {
    expect(await refused(state, source, bound)).toEqual(codes);
  });

  it("is known by its real place", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "project", ".st"), { recursive: true });
    symlinkSync(".st", join(folder, "project", "link"));
    expect(await refused(".st", "./link", "./link/local", folder)).toEqual([bind, workspace]);
    expect(await refused("link", ".st", ".st/local", folder)).toEqual([bind, workspace]);
  });

  it("is no matter to a workspace that nobody sees", async () => {
    const text = '[sandbox.workspace]\nsource = ".st"\naccess = "none"\n[agents.a]\n';
    const { draft, facts } = await resolveText(text);
    const stateDir = join(facts.root, ".st");
    expect(checkFleetSecurity(draft.agents, { ...facts, stateDir })).toEqual([]);
  });
});

describe("a sandbox without a container", () => {
  const local = (more: string): string =>
    `[sandbox.local]\nisolation = "bubblewrap"\nbinds = ["~/cache:/cache", "/etc/ssl:/mnt/ssl:ro"]\n${more}[agents.a]\n`;

  it("has the same rules, and every key that a hint names", async () => {
    const refused = check(await resolveText(local("")));
    expect(refused.map(({ code }) => code)).toEqual(["bind-source-system", "bind-source-outside-roots"]);
    expect(refused[0]?.hint).toContain("sandbox.local.break_glass.bind_source_system");
    expect(refused[1]?.hint).toContain("allowed_roots");
    const allowed = 'allowed_roots = ["~/cache"]\nbreak_glass.bind_source_system = "a drill"\n';
    expect(check(await resolveText(local(allowed)))).toMatchObject([
      { code: "break-glass", path: "sandbox.local.break_glass.bind_source_system" },
    ]);
  });
});

it("tells a fault of the fleet once and one of agents at each of them", async () => {
  const bad = 'network = "host"';
  const resolved = await resolveText(
    `[sandbox]\nbackend = "docker"\n[sandbox.docker]\nseccomp = "unconfined"\n[agents.a.sandbox.docker]\n${bad}\n[agents.b.sandbox.docker]\n${bad}\n[agents.c]\n`,
  );
  expect(check(resolved).map(({ path }) => path)).toEqual([
    "agents.a.sandbox.docker.network",
    "sandbox.docker.seccomp",
    "agents.b.sandbox.docker.network",
  ]);
  expect(resolved.draft.agents[0]?.settings).toBe(resolved.draft.agents[1]?.settings);
});
