import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ResolvedAgent } from "../../src/model/settings.ts";
import { formatKeyPath } from "../../src/model/source.ts";
import { lineOf, resolveText, temporaryFolder } from "../support/fleet-text.ts";
import type { ResolvedText } from "../support/fleet-text.ts";

function agent({ draft }: ResolvedText, name: string): ResolvedAgent {
  const found = draft.agents.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no agent ${name}`);
  return found;
}

describe("defaults", () => {
  it("fills everything for an agent that says nothing", async () => {
    const folder = temporaryFolder();
    const resolved = await resolveText("[agents.main]\n", folder);
    expect(resolved.diagnostics).toEqual([]);
    expect(resolved.fleet).toMatchObject({
      fleet: "team",
      fleet_id: "k3v9q2",
      name_prefix: "sandkeep",
      root: join(folder, "project"),
      guards: { max_destroy: "off", allow_empty: false },
      watch: { resync: 300_000, workers: 4, debounce: 500 },
    });
    expect(agent(resolved, "main").sessions).toEqual(["main"]);
    expect(agent(resolved, "main").settings).toEqual({
      mode: "all",
      scope: "agent",
      backend: "local",
      writes: "direct",
      provision: "eager",
      protect: false,
      attest: false,
      timeouts: { fetch: 900_000, seed: 600_000, setup: 900_000 },
      setup: [],
      env: { LANG: "C.UTF-8" },
      secrets: {},
      workspace: {
        source: join(folder, "project"),
        access: "rw",
        target: "/workspace",
        sync: "seed",
        ignore: "off",
      },
      prune: { idle: 86_400_000, max_age: 604_800_000 },
      disruption: { when: "idle", max_wait: 3_600_000 },
      salvage: {
        when: "off",
        include: ["/"],
        exclude: [],
        max_bytes: 1_073_741_824,
        oversize: "fail",
        keep: "all",
        max_age: 2_592_000_000,
      },
      options: { isolation: "none", home: "own" },
    });
  });

  it("closes a container as far as it can be closed", async () => {
    const resolved = await resolveText('[sandbox]\nbackend = "docker"\n[agents.main]\n');
    const { workspace, options } = agent(resolved, "main").settings;
    expect(workspace.access).toBe("none");
    expect(options).toEqual({
      image_policy: "missing",
      network: "none",
      pids: 512,
      tmpfs: ["/tmp", "/var/tmp", "/run"],
      read_only_root: true,
      cap_drop: ["ALL"],
      init: true,
      no_new_privileges: true,
      restart: "no",
      stop_timeout: 10_000,
    });
  });

  it("claims no network isolation that nothing enforces", async () => {
    const resolved = await resolveText(
      '[agents.a]\n[agents.b.sandbox.local]\nisolation = "bubblewrap"\n[agents.c.sandbox.local]\nisolation = "bubblewrap"\nnetwork = "host"\n',
    );
    expect(agent(resolved, "a").settings.options).not.toHaveProperty("network");
    expect(agent(resolved, "b").settings.options).toMatchObject({ network: "none" });
    expect(agent(resolved, "c").settings.options).toMatchObject({ network: "host" });
  });

  it("gives a ready command its timing", async () => {
    const resolved = await resolveText('[sandbox.ready]\ncommand = ["true"]\n[agents.a]\n');
    expect(agent(resolved, "a").settings.ready).toEqual({
      command: ["true"],
      timeout: 30_000,
      interval: 1000,
    });
  });

  it("takes off and 0 as never", async () => {
    const resolved = await resolveText('[sandbox.prune]\nidle = 0\nmax_age = "off"\n[agents.a]\n');
    expect(agent(resolved, "a").settings.prune).toEqual({ idle: "off", max_age: "off" });
  });
});

const MERGING = `
[sandbox]
backend = "docker"
setup = ["one"]
env = { A = "fleet", B = "fleet" }
secrets = { TOKEN = { env = "TOKEN" }, OTHER = { file = "other" } }
[sandbox.workspace]
source = "."
access = "ro"
[sandbox.docker]
image = "debian:12-slim"
binds = ["./cache:/cache", "./data:/data:ro"]
dns = ["10.0.0.1", "10.0.0.2"]
ulimits = { nofile = { soft = 1, hard = 2 }, nproc = 10 }
[agents.plain]
[agents.work]
sessions = ["main", "review"]
[agents.work.sandbox]
setup = []
env = { B = "agent", C = "agent" }
secrets = { TOKEN = { file = "~/token" } }
[agents.work.sandbox.workspace]
source = "~/repo"
[agents.work.sandbox.docker]
image = "node:22-slim"
binds = ["./mine:/data/", "./more:/more"]
dns = ["10.0.0.3"]
ulimits = { nofile = 4096 }
`;

describe("merging", () => {
  it("merges scalars, tables, lists and binds as the design says", async () => {
    const folder = temporaryFolder();
    const { settings, sessions } = agent(await resolveText(MERGING, folder), "work");
    expect(sessions).toEqual(["main", "review"]);
    expect(settings.setup).toEqual([]);
    expect(settings.env).toEqual({ LANG: "C.UTF-8", A: "fleet", B: "agent", C: "agent" });
    expect(settings.secrets).toEqual({ TOKEN: { file: "~/token" }, OTHER: { file: "other" } });
    expect(settings.workspace).toEqual({
      source: join(folder, "home", "repo"),
      access: "ro",
      target: "/workspace",
      sync: "seed",
      ignore: "off",
    });
    expect(settings.options).toMatchObject({
      image: "node:22-slim",
      pids: 512,
      binds: [
        { source: "./cache", target: "/cache", mode: "rw" },
        { source: "./mine", target: "/data", mode: "rw" },
        { source: "./more", target: "/more", mode: "rw" },
      ],
      dns: ["10.0.0.3"],
      ulimits: { nofile: 4096, nproc: 10 },
    });
  });

  it("shares one settings object between agents that say the same", async () => {
    const resolved = await resolveText(
      "[agents.a]\n[agents.b]\n[agents.c.sandbox]\nprotect = true\n[agents.d.sandbox]\nprotect = true\n",
    );
    const of = (name: string) => agent(resolved, name).settings;
    expect(of("a")).toBe(of("b"));
    expect(of("c")).toBe(of("d"));
    expect(of("a")).not.toBe(of("c"));
  });

  it.each([
    ["docker.image", "agent", "agents.work.sandbox.docker.image", 'image = "node:22-slim"'],
    ["docker.dns[0]", "agent", "agents.work.sandbox.docker.dns[0]", 'dns = ["10.0.0.3"]'],
    ["docker.dns[1]", "agent", "agents.work.sandbox.docker.dns", 'dns = ["10.0.0.3"]'],
    ["docker.binds[/data]", "agent", "agents.work.sandbox.docker.binds[0]", "./mine:/data"],
    ["docker.binds[/cache]", "default", "sandbox.docker.binds[0]", "./cache:/cache"],
    ["docker.binds[/none]", "built-in", "sandbox.docker.binds", undefined],
    ["docker.ulimits.nofile", "agent", "agents.work.sandbox.docker.ulimits.nofile", "nofile = 4096"],
    ["docker.ulimits.nofile.soft", "agent", "agents.work.sandbox.docker.ulimits.nofile", "nofile = 4096"],
    ["docker.ulimits.nproc", "default", "sandbox.docker.ulimits.nproc", "nproc = 10"],
    ["docker.pids", "built-in", "sandbox.docker.pids", undefined],
    ["env.A", "default", "sandbox.env.A", "env = { A"],
    ["env.B", "agent", "agents.work.sandbox.env.B", 'env = { B = "agent"'],
    ["env.LANG", "built-in", "sandbox.env.LANG", undefined],
    ["secrets.TOKEN", "agent", "agents.work.sandbox.secrets.TOKEN", "~/token"],
    ["secrets.TOKEN.env", "agent", "agents.work.sandbox.secrets.TOKEN", "~/token"],
    ["secrets.OTHER.file", "default", "sandbox.secrets.OTHER.file", "OTHER"],
    ["setup", "agent", "agents.work.sandbox.setup", "setup = []"],
    ["workspace.source", "agent", "agents.work.sandbox.workspace.source", "~/repo"],
    ["workspace.access", "default", "sandbox.workspace.access", 'access = "ro"'],
    ["workspace.target", "built-in", "sandbox.workspace.target", undefined],
    ["mode", "built-in", "sandbox.mode", undefined],
  ])("tells who said %s", async (path, layer, key, written) => {
    const found = agent(await resolveText(MERGING), "work").provenance(path);
    expect({ layer: found.layer, key: formatKeyPath(found.key), line: found.source?.line }).toEqual({
      layer,
      key,
      line: written === undefined ? undefined : lineOf(MERGING, written),
    });
  });

  it("tells the included file", async () => {
    const resolved = await resolveText('include = ["agents/*.toml"]\n', temporaryFolder(), {
      "agents/work.toml": "[agents.work.sandbox]\nprotect = true\n",
    });
    expect(agent(resolved, "work").provenance("protect").source).toMatchObject({
      file: expect.stringContaining("agents/work.toml"),
      line: 2,
    });
  });
});

describe("checks", () => {
  it("refuses staged writes where nothing could be staged, instead of writing directly", async () => {
    const onHost = await resolveText('[sandbox]\nwrites = "staged"\nmode = "off"\n[agents.a]\n[agents.b]\n');
    expect(onHost.fleet).toBeUndefined();
    expect(onHost.diagnostics).toMatchObject([
      { severity: "error", code: "writes-staged-on-host", path: "sandbox.mode" },
    ]);
    const unseen = await resolveText('[sandbox]\nwrites = "staged"\nbackend = "docker"\n[agents.a]\n');
    expect(unseen.diagnostics).toMatchObject([
      { severity: "error", code: "writes-staged-access", path: "sandbox.workspace.access" },
    ]);
    const half = await resolveText('[sandbox]\nwrites = "staged"\nmode = "non-main"\n[agents.a]\n');
    expect(half.diagnostics).toMatchObject([{ severity: "warning", code: "writes-staged-main" }]);
  });

  it("refuses a pattern that is to be applied by itself and never", async () => {
    const text = '[stage]\nauto_apply = ["docs/**", "a"]\ndeny = ["a"]\n[agents.a]\n';
    const resolved = await resolveText(text);
    expect(resolved.fleet).toBeUndefined();
    expect(resolved.diagnostics).toMatchObject([
      { code: "stage-contradiction", path: "stage.auto_apply[1]", line: lineOf(text, "auto_apply") },
    ]);
  });

  it("asks nothing of an agent that turned staged writes off", async () => {
    const resolved = await resolveText(
      '[sandbox]\nwrites = "staged"\nmode = "off"\n[agents.c.sandbox]\nwrites = "direct"\n',
    );
    expect(resolved.diagnostics).toEqual([]);
  });

  it("keeps the host name local for this machine", async () => {
    const resolved = await resolveText('[hosts.local]\ndocker = "unix:///run/x.sock"\n[agents.a]\n');
    expect(resolved.diagnostics).toMatchObject([{ code: "reserved-host", path: "hosts.local", line: 4 }]);
  });

  it("refuses one name as variable and secret", async () => {
    const text =
      '[sandbox]\nenv = { TOKEN = "x" }\n[agents.a.sandbox]\nsecrets = { TOKEN = { env = "TOKEN" } }\n[agents.b]\n';
    const { diagnostics } = await resolveText(text);
    expect(diagnostics).toMatchObject([
      { code: "env-and-secret", path: "agents.a.sandbox.secrets.TOKEN", line: lineOf(text, "secrets") },
    ]);
    expect(diagnostics[0]?.message).toContain("sandbox.env.TOKEN");
  });

  it("warns of settings that no backend reads", async () => {
    const resolved = await resolveText('[agents.a.sandbox.docker]\nimage = "x"\n');
    expect(resolved.fleet).toBeDefined();
    expect(resolved.diagnostics).toMatchObject([
      { severity: "warning", code: "unused-section", path: "agents.a.sandbox.docker" },
    ]);
  });
});
