import { memoryDriver } from "../../src/drivers/memory/index.ts";
import type { MemoryCommand } from "../../src/drivers/memory/exec.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { MemoryWorld } from "../../src/drivers/memory/world.ts";
import type { EphemeralHarness } from "./ephemeral-contract.ts";
import { describeEphemeralContract } from "./ephemeral-contract.ts";
import { describeDriverContract } from "./driver-contract.ts";
import { describeWorkspaceContract } from "./workspace-contract.ts";
import type { ContractCommands, ContractHarness } from "./harness.ts";
import { KEPT, realDeps } from "./harness.ts";

const commands: ContractCommands = {
  exit: (code) => ["exit", String(code)],
  both: () => ["both"],
  cat: () => ["cat"],
  print: (variable) => ["print", variable],
  pwd: () => ["pwd"],
  waitForChild: (tag) => ["wait", tag],
  terminalSize: () => ["size"],
};

const extra: Record<string, MemoryCommand> = {
  async both({ out, err }) {
    await Promise.all([out("out\n"), err("err\n")]);
    return 0;
  },
  async print({ argv, env, out }) {
    await out(`${env[argv[1] ?? ""] ?? ""}\n`);
    return 0;
  },
  async wait({ out, run }) {
    await out("started\n");
    return run(["sleep", "60000"]);
  },
};

async function memoryHarness(
  lifecycle: "process" | "directory",
  host?: ContractHarness["host"],
): Promise<ContractHarness> {
  const world = createWorld({ lifecycle, images: { "base:1": "one" }, commands: extra });
  return {
    module: memoryDriver(world),
    host,
    deps: realDeps("/nowhere"),
    plain: { image: "base:1" },
    variants: {
      limits: { options: { memory: 64 * 1024 * 1024, cpus: 1.5 } },
      command: { options: { command: ["idle"], network: "host", labels: { team: "a" } } },
      "no environment": { env: {} },
    },
    live: [
      { path: "memory.cpus", from: { options: { cpus: 1 } }, to: { options: { cpus: 2 } } },
      { path: "memory.memory", from: {}, to: { options: { memory: 1024 } } },
      ...(lifecycle === "directory"
        ? [{ path: "env", from: { env: { A: "1" } }, to: { env: { A: "2" } } }]
        : []),
    ],
    commands,
    behind: {
      remove: async ({ name }) => world.removeBehind(name),
      foreign: async (name) => {
        world.addForeign(name);
        return { [Symbol.asyncDispose]: async () => world.removeBehind(name) };
      },
    },
    unreachable: async () => {
      const away = createWorld({ lifecycle });
      away.machine().reachable = false;
      return memoryDriver(away).openReader(undefined, realDeps("/nowhere"));
    },
    source: sourceIn(world),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function builderHarness(): Promise<EphemeralHarness> {
  let begun = 0;
  const wait: MemoryCommand = ({ run }) => {
    begun += 1;
    return run(["sleep", "60000"]);
  };
  const change: MemoryCommand = ({ files, cwd }) => {
    const { tree } = files(`${cwd}/made`);
    tree.set("made/new.txt", { type: "file", mode: 0o644, content: Buffer.from("new\n") });
    tree.entries.delete("keep.txt");
    return 3;
  };
  const world = createWorld({ lifecycle: "ephemeral", commands: { ...extra, wait, change } });
  return {
    module: memoryDriver(world),
    host: undefined,
    deps: realDeps("/nowhere"),
    plain: {},
    commands: { ...commands, change: () => ["change"], read: () => ["cat", "keep.txt"] },
    begun: async () => begun > 0,
    unreachable: async () => {
      const away = createWorld({ lifecycle: "ephemeral" });
      away.machine().reachable = false;
      return memoryDriver(away).openReader(undefined, realDeps("/nowhere"));
    },
    source: sourceIn(world),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function sourceIn(world: MemoryWorld): ContractHarness["source"] {
  let sources = 0;
  return async () => {
    sources += 1;
    const path = `/source/${sources}`;
    world.source(path).set("keep.txt", { type: "file", mode: 0o644, content: Buffer.from(KEPT) });
    return { path, keeps: async () => world.source(path).text("keep.txt") ?? "gone" };
  };
}

describeEphemeralContract("memory, as builds", builderHarness);
describeDriverContract("memory, as an engine of processes", () => memoryHarness("process"));
describeDriverContract("memory, as directories", () => memoryHarness("directory"));
describeWorkspaceContract("memory, a workspace on a host", () =>
  memoryHarness("process", { name: "build1", labels: {} }),
);
