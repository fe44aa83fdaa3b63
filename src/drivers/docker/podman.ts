/**
 * The driver for Podman, through its Docker-compatible socket: the code of `index.ts` with Podman's dialect.
 * Keys are those of `[sandbox.docker]`, in `[sandbox.podman]`.
 */
import type { DriverModule } from "../driver.ts";
import { engineModule } from "./module.ts";
import { podman } from "./podman-dialect.ts";

export const podmanDriver: DriverModule = engineModule(podman);
