import { createHash } from "node:crypto";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/index.ts";
import { BACKENDS, inFolder, lines, MINIMAL } from "./folder.ts";

const FULL = `version = 1
fleet = "team"
fleet_id = "k3v9q2"
name_prefix = "ci"

[sandbox]
mode = "non-main"
backend = "docker"
host = "build1"
setup = ["true"]
env = { LANG = "C.UTF-8" }
secrets = { A = { env = "A" }, B = { file = "b" }, C = { command = ["pass", "c"] } }
prune = { idle = "1h30m", max_age = "off" }
disruption = { when = "idle", max_wait = 0 }
ready = { command = ["true"], timeout = "30s", interval = "500ms" }

[sandbox.docker]
image = "debian:12-slim"
binds = ["./a:/a", "~/b:/b/:ro", "/c:/c:rw"]
memory = "1.5GiB"
memory_swap = "unlimited"
pids = 100
ulimits = { nofile = 1024, core = { soft = 0, hard = -1 } }
tmpfs = ["/tmp:size=64m"]
extra_hosts = ["db:10.0.0.5", "six:::1", "me:host-gateway"]
gpus = "device=0,1"
stop_timeout = "10s"

[sandbox.local]
binds = [".:/w"]

[agents.main]
[agents.work]
sessions = ["main", "review"]
sandbox.docker.memory = 1048576

[hosts.build1]
docker = "ssh://ci@build1.example.com:22"
max_runtimes = 20

[guards]
max_destroy = "off"

[watch]
resync = "5m"

[tools]
groups = { fs = ["read"] }
sandbox.deny = ["group:fs"]

[secrets]
key = { env = "KEY" }
`;

describe("loadConfig", () => {
  it("answers the config in the units the rest works with, and nothing that was not written", async () => {
    await inFolder({ "sandkeep.toml": FULL }, async (folder) => {
      const result = await loadConfig({ cwd: folder, backends: BACKENDS });
      expect(lines(result.diagnostics)).toEqual([]);
      if (!result.ok) throw new Error("expected a config");
      const { config, files, root, rootFile } = result.loaded;
      expect({ root, rootFile }).toEqual({ root: folder, rootFile: join(folder, "sandkeep.toml") });
      const sha256 = createHash("sha256").update(FULL).digest("hex");
      expect(files).toEqual([{ path: "sandkeep.toml", sha256 }]);
      expect(config.sandbox).toEqual({
        mode: "non-main",
        backend: "docker",
        host: "build1",
        setup: ["true"],
        env: { LANG: "C.UTF-8" },
        secrets: { A: { env: "A" }, B: { file: "b" }, C: { command: ["pass", "c"] } },
        prune: { idle: 5_400_000, max_age: "off" },
        disruption: { when: "idle", max_wait: "off" },
        ready: { command: ["true"], timeout: 30_000, interval: 500 },
        docker: {
          image: "debian:12-slim",
          binds: [
            { source: "./a", target: "/a", mode: "rw" },
            { source: "~/b", target: "/b", mode: "ro" },
            { source: "/c", target: "/c", mode: "rw" },
          ],
          memory: 1_610_612_736,
          memory_swap: "unlimited",
          pids: 100,
          ulimits: { nofile: 1024, core: { soft: 0, hard: -1 } },
          tmpfs: ["/tmp:size=64m"],
          extra_hosts: ["db:10.0.0.5", "six:::1", "me:host-gateway"],
          gpus: "device=0,1",
          stop_timeout: 10_000,
        },
        local: { binds: [{ source: ".", target: "/w", mode: "rw" }] },
      });
      expect(config.agents).toEqual({
        main: {},
        work: { sessions: ["main", "review"], sandbox: { docker: { memory: 1_048_576 } } },
      });
      expect(config.watch).toEqual({ resync: 300_000 });
    });
  });

  it("locates every key and element as written, and nothing else", async () => {
    await inFolder({ "sandkeep.toml": FULL }, async (folder) => {
      const result = await loadConfig({ cwd: folder, backends: BACKENDS });
      if (!result.ok) throw new Error("expected a config");
      const at = (...path: readonly (string | number)[]): string => {
        const source = result.loaded.locate(path);
        return source === undefined ? "nowhere" : `${source.file}:${source.line}:${source.column}`;
      };
      expect(at("sandbox")).toBe("sandkeep.toml:6:2");
      expect(at("sandbox", "env", "LANG")).toBe("sandkeep.toml:11:9");
      expect(at("sandbox", "docker")).toBe("sandkeep.toml:17:10");
      expect(at("sandbox", "docker", "binds", 1)).toBe("sandkeep.toml:19:20");
      expect(at("agents", "work", "sandbox", "docker", "memory")).toBe("sandkeep.toml:35:16");
      expect(at("sandbox", "scope")).toBe("nowhere");
      expect(at("agents", "main", "sandbox", "docker")).toBe("nowhere");
      expect(at("__proto__")).toBe("nowhere");
    });
  });

  it.each([
    ["one file", (agents: readonly string[]) => ({ "sandkeep.toml": MINIMAL + agents.join("") })],
    [
      "a hundred files",
      (agents: readonly string[]) => ({
        "sandkeep.toml": `${MINIMAL}include = ["agents/*.toml"]\n`,
        ...Object.fromEntries(
          Array.from({ length: 100 }, (_, index) => [
            `agents/${index}.toml`,
            agents.slice(index * 100, index * 100 + 100).join(""),
          ]),
        ),
      }),
    ],
  ])("10,000 agents in %s load", async (_name, filesOf) => {
    const agents = Array.from(
      { length: 10_000 },
      (_, index) =>
        `[agents.a${index}]\nsessions = ["main", "review"]\n[agents.a${index}.sandbox]\nmode = "all"\n` +
        `env = { N = "${index}" }\n[agents.a${index}.sandbox.docker]\nimage = "node:22"\nmemory = "1GiB"\n`,
    );
    await inFolder(filesOf(agents), async (folder) => {
      const result = await loadConfig({ cwd: folder, backends: BACKENDS });
      expect(lines(result.diagnostics)).toEqual([]);
      expect(result.ok && Object.keys(result.loaded.config.agents ?? {})).toHaveLength(10_000);
    });
  });
});
