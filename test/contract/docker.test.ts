import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import type { Host } from "../../src/model/settings.ts";
import type { TestServices } from "../support/services.ts";
import { describeWithServices } from "../support/services.ts";
import { describeDriverContract } from "./driver-contract.ts";
import type { ContractHarness } from "./harness.ts";
import { folderSource, realDeps, shellCommands } from "./harness.ts";

const MIB = 1024 * 1024;

async function dockerHarness({ docker }: TestServices): Promise<ContractHarness> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-contract-"));
  const other = await folderSource(dir);
  const host: Host = { name: "private", docker: docker.host, labels: {} };
  const engine = async (...argv: string[]): Promise<void> => {
    await promisify(execFile)("docker", ["-H", docker.host, ...argv], {
      env: { PATH: process.env["PATH"], HOME: dir, DOCKER_CONFIG: dir },
    });
  };
  return {
    module: dockerDriver,
    host,
    deps: realDeps(join(dir, "state"), { PATH: process.env["PATH"], HOME: dir }),
    plain: { image: docker.images.busybox },
    variants: {
      limits: {
        options: { memory: 64 * MIB, cpus: 0.5, pids: 64, ulimits: { nofile: { soft: 512, hard: 1024 } } },
      },
      swap: { options: { memory: 64 * MIB, memory_swap: 96 * MIB } },
      mounts: {
        options: {
          binds: [{ source: other.path, target: "/data", mode: "ro" }],
          tmpfs: ["/scratch:size=1m", "/tmp"],
        },
      },
      "a loose sandbox": {
        options: {
          read_only_root: false,
          init: false,
          no_new_privileges: false,
          cap_drop: ["NET_RAW"],
          restart: "unless-stopped",
        },
      },
      "other network": { options: { network: "host" } },
      "a bridge with names": {
        options: { network: "bridge", dns: ["192.0.2.1"], extra_hosts: ["build:192.0.2.2"] },
      },
      "user and place": { options: { user: "1000:1000", workdir: "/home/user", labels: { team: "a" } } },
      command: { options: { command: ["sleep", "3600"] } },
      unconfined: { options: { seccomp: "unconfined" } },
      "no environment": { env: {} },
    },
    live: [
      {
        path: "docker.memory",
        from: { options: { memory: 64 * MIB } },
        to: { options: { memory: 96 * MIB } },
      },
      { path: "docker.cpus", from: { options: { cpus: 0.5 } }, to: { options: { cpus: 0.75 } } },
      { path: "docker.pids", from: { options: { pids: 64 } }, to: { options: { pids: 128 } } },
      { path: "docker.restart", from: {}, to: { options: { restart: "unless-stopped" } } },
    ],
    commands: shellCommands,
    behind: {
      remove: async ({ objectId }) => engine("rm", "-f", objectId),
      async foreign(name) {
        await engine("create", "--name", name, docker.images.busybox);
        return { [Symbol.asyncDispose]: async () => engine("rm", "-f", name) };
      },
    },
    unreachable: async () =>
      dockerDriver.openReader({ ...host, docker: `unix://${join(dir, "nobody.sock")}` }, realDeps(dir, {})),
    source: async () => folderSource(dir),
    [Symbol.asyncDispose]: async () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

describeWithServices("a real Docker Engine", (services) => {
  describeDriverContract("docker", () => dockerHarness(services()));
});
