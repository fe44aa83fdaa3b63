import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sshDriver } from "../../src/drivers/ssh/index.ts";
import { describeWith } from "../support/services.ts";
import { startSshd } from "../support/sshd.ts";
import { startLimitingSshd } from "../support/systemd-stub.ts";
import { describeDriverContract } from "./driver-contract.ts";
import { describeWorkspaceContract } from "./workspace-contract.ts";
import type { ContractHarness } from "./harness.ts";
import { folderSource, realDeps, shellCommands } from "./harness.ts";

const MIB = 1024 * 1024;

/** Within limits, it is a host whose systemd is a stub. */
async function sshHarness(
  isolation: "none" | "bubblewrap",
  limits?: Readonly<Record<"memory" | "cpus" | "pids", number>>,
): Promise<ContractHarness> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-contract-"));
  const sshd = await (limits === undefined ? startSshd() : startLimitingSshd());
  const root = join(dir, "root");
  const fleetDir = (fleet: string): string => join(root, fleet);
  const env = { PATH: process.env["PATH"], HOME: dir };
  return {
    module: sshDriver,
    host: sshd.host(),
    deps: realDeps(join(dir, "state"), env),
    plain: { isolation, workspace_root: root, ...limits },
    variants: {
      "network of the host": { options: { network: "host" } },
      "kept after a lost connection": { options: { on_disconnect: "keep" } },
      "taken up again after a lost connection": { options: { on_disconnect: "reattach" } },
      "no environment": { env: {} },
      ...(limits === undefined ? {} : { "a third of a core": { options: { cpus: 1 / 3 } } }),
    },
    live: [
      { path: "env", from: { env: { A: "1" } }, to: { env: { A: "2", B: "3" } } },
      { path: "ssh.on_disconnect", from: {}, to: { options: { on_disconnect: "keep" } } },
      ...(limits === undefined
        ? []
        : [
            { path: "ssh.memory", from: {}, to: { options: { memory: 128 * MIB } } },
            { path: "ssh.cpus", from: {}, to: { options: { cpus: 1.25 } } },
            { path: "ssh.pids", from: {}, to: { options: { pids: 50 } } },
          ]),
    ],
    commands: shellCommands,
    behind: {
      async remove({ name, objectId, fleet }) {
        await rm(join(fleetDir(fleet), "names", name));
        await rm(join(fleetDir(fleet), "objects", objectId), { recursive: true });
      },
      async foreign(name, fleet) {
        const path = join(fleetDir(fleet), "names", name);
        await mkdir(path, { recursive: true });
        // A fleet that has made nothing yet has no folder there to look into.
        await mkdir(join(fleetDir(fleet), "objects"), { recursive: true });
        return { [Symbol.asyncDispose]: async () => rm(path, { recursive: true }) };
      },
    },
    async unreachable() {
      const host = sshd.host("away", { target: `${sshd.user}@127.0.0.1:1` });
      return sshDriver.openReader(host, realDeps(dir, env));
    },
    source: async () => folderSource(dir),
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

describeWith(["ssh"], "the ssh driver", () => {
  describeDriverContract("without isolation", async () => sshHarness("none"));
  describeDriverContract("in bubblewrap", async () => sshHarness("bubblewrap"));
  describeDriverContract("within limits", async () =>
    sshHarness("bubblewrap", { memory: 64 * MIB, cpus: 0.5, pids: 100 }),
  );
  describeWorkspaceContract("a workspace without isolation", async () => sshHarness("none"));
  describeWorkspaceContract("a workspace in bubblewrap", async () => sshHarness("bubblewrap"));
});
