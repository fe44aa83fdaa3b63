import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import type { Engine } from "../../src/reconcile.ts";
import { realWait } from "../../src/util/wait.ts";

/** The library as the CLI uses it, in a folder that stands for its user's home. */
export function plainEngine(
  folder: string,
  {
    drivers = builtInDrivers,
    notify = () => undefined,
  }: Partial<Pick<Engine, "drivers"> & Engine["sink"]> = {},
): Engine {
  return {
    drivers,
    stateDir: join(folder, "state"),
    cwd: folder,
    env: { HOME: folder, PATH: process.env["PATH"] ?? "" },
    now: Date.now,
    wait: realWait,
    randomId: () => randomBytes(8).toString("hex"),
    sink: { notify },
    toolVersion: "0.0.0",
  };
}
