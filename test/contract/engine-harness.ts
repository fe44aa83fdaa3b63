// The contract suite's way to an engine that speaks the Docker API, whichever it is.
import { execFile } from "node:child_process";
import { chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DriverModule } from "../../src/drivers/driver.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { Host } from "../../src/model/settings.ts";
import type { DockerService } from "../support/services.ts";
import type { ContractHarness, LiveChange, SpecInput } from "./harness.ts";
import { folderSource, realDeps, shellCommands } from "./harness.ts";

export const MIB = 1024 * 1024;

export interface EngineUnderTest {
  readonly module: DriverModule;
  readonly service: DockerService;
  /** Its command line with the arguments that name this engine. */
  readonly cli: readonly [string, ...string[]];
  readonly live: readonly LiveChange[];
  /** Whose folders the sources are, where the engine is an ordinary user's. */
  readonly uid?: number;
  /** What every spec has besides its image. */
  readonly plain?: JsonObject;
  /** Besides those that every engine gets, or in place of one of the same name. */
  readonly variants?: Readonly<Record<string, Partial<SpecInput>>>;
}

export async function engineHarness(under: EngineUnderTest): Promise<ContractHarness> {
  const { module, service } = under;
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-contract-"));
  await give(dir, under.uid);
  const source = async (): ReturnType<ContractHarness["source"]> => {
    const made = await folderSource(dir);
    await give(made.path, under.uid);
    return made;
  };
  const other = await source();
  const at = (endpoint: string): Host => ({ name: "private", [module.backend]: endpoint, labels: {} });
  const host = at(service.host);
  const [command, ...first] = under.cli;
  const engine = async (...argv: string[]): Promise<void> => {
    await promisify(execFile)(command, [...first, ...argv], {
      env: { PATH: process.env["PATH"], HOME: dir, DOCKER_CONFIG: dir },
    });
  };
  return {
    module,
    host,
    deps: realDeps(join(dir, "state"), { PATH: process.env["PATH"], HOME: dir }),
    plain: { image: service.images.busybox, ...under.plain },
    variants: {
      limits: {
        options: {
          memory: 64 * MIB,
          cpus: 0.5,
          pids: 64,
          ulimits: { nofile: { soft: 512, hard: 1024 }, nproc: 2000 },
        },
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
      ...under.variants,
    },
    live: under.live,
    commands: shellCommands,
    behind: {
      remove: async ({ objectId }) => engine("rm", "-f", objectId),
      async foreign(name) {
        await engine("create", "--name", name, service.images.busybox);
        return { [Symbol.asyncDispose]: async () => engine("rm", "-f", name) };
      },
    },
    unreachable: async () => module.openReader(at(`unix://${join(dir, "nobody.sock")}`), realDeps(dir, {})),
    source,
    [Symbol.asyncDispose]: async () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

async function give(folder: string, uid: number | undefined): Promise<void> {
  if (uid === undefined) return;
  for (const name of ["", ...(await readdir(folder))]) await chown(join(folder, name), uid, uid);
}
