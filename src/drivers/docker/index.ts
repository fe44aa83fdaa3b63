/**
 * The driver for Docker Engines. `podman.ts` beside it is the one for Podman: the same code, another dialect.
 * In: specs and names. Out: what the engine holds, and one idempotent effect a call. It decides nothing.
 */
import type { DriverModule } from "../driver.ts";
import { docker } from "./dialect.ts";
import { engineModule } from "./module.ts";

export const dockerDriver: DriverModule = engineModule(docker);
