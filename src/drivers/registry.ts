/** The one place that names drivers. Each is imported only when a fleet uses it. */
import type { DriverRegistry } from "./driver.ts";

export const builtInDrivers: DriverRegistry = {
  local: async () => (await import("./local/index.ts")).localDriver,
  docker: async () => (await import("./docker/index.ts")).dockerDriver,
  podman: async () => (await import("./docker/podman.ts")).podmanDriver,
  ssh: async () => (await import("./ssh/index.ts")).sshDriver,
  buildkit: async () => (await import("./buildkit/index.ts")).buildkitDriver,
};

/** Names a config may give as `backend`. */
export const BACKENDS: readonly string[] = Object.keys(builtInDrivers);
