import { mkdir, mkdtemp, rm, symlink, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localDriver } from "../../src/drivers/local/index.ts";
import { describeDriverContract } from "./driver-contract.ts";
import type { ContractHarness } from "./harness.ts";
import { folderSource, realDeps, shellCommands } from "./harness.ts";

async function localHarness(isolation: "none" | "bubblewrap"): Promise<ContractHarness> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-contract-"));
  const fleetDir = (fleet: string, base = join(dir, "state")): string => join(base, "local", fleet);
  const other = await folderSource(dir);
  return {
    module: localDriver,
    host: undefined,
    deps: realDeps(join(dir, "state")),
    plain: { isolation },
    variants: {
      "home of the user": { options: { home: "user" } },
      binds: { options: { binds: [{ source: other.path, target: "/data", mode: "ro" }] } },
      "network of the host": { options: { network: "host" } },
      "no environment": { env: {} },
    },
    live: [
      { path: "env", from: { env: { A: "1" } }, to: { env: { A: "2", B: "3" } } },
      { path: "local.home", from: {}, to: { options: { home: "user" } } },
    ],
    commands: shellCommands,
    behind: {
      async remove({ name, objectId, fleet }) {
        await unlink(join(fleetDir(fleet), name));
        await rm(join(fleetDir(fleet), "objects", objectId), { recursive: true });
      },
      async foreign(name, fleet) {
        await mkdir(join(fleetDir(fleet), name), { recursive: true });
        return { [Symbol.asyncDispose]: async () => rm(join(fleetDir(fleet), name), { recursive: true }) };
      },
    },
    async unreachable(fleet) {
      // A link to itself can be read by nobody, not even by root.
      const base = await mkdtemp(join(dir, "away-"));
      await mkdir(join(base, "local"));
      await symlink(fleet, fleetDir(fleet, base));
      return localDriver.openReader(undefined, realDeps(base));
    },
    source: async () => folderSource(dir),
    [Symbol.asyncDispose]: async () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

describeDriverContract("local, without isolation", () => localHarness("none"));
describeDriverContract("local, in bubblewrap", () => localHarness("bubblewrap"));
