import type { Host, Settings } from "../../model/settings.ts";
import type { WorkspaceProvider } from "../../model/spec.ts";
import type { DriverModule } from "../driver.ts";
import { capabilities } from "./capabilities.ts";
import type { Dialect } from "./dialect.ts";
import { isInstalled, isRemote, ownSockets } from "./endpoint.ts";
import { requirements } from "./requirements.ts";
import { normalise } from "./spec.ts";

/** The driver for one dialect. Data and pure functions; the client library is loaded by the first call to an engine. */
export function engineModule(dialect: Dialect): DriverModule {
  return {
    backend: dialect.name,
    capabilities: {
      ...capabilities,
      networks: dialect.networks,
      changes: dialect.changes,
    },
    fields: dialect.fields,
    provider: (settings, host) => provider(settings, host, dialect),
    require: (settings, host) => requirements(settings, host, dialect),
    notes: () => [],
    preflight: async (_settings, host, deps) => {
      const { preflight } = await import("./preflight.ts");
      return preflight(dialect.name, host, deps.env);
    },
    sockets: (host, env) => ownSockets(dialect.name, host, env),
    installed: (env) => isInstalled(dialect.name, env),
    normalise,
    openReader: async (host, deps) => {
      const { openReader } = await import("./open.ts");
      return openReader(dialect, host, deps);
    },
    open: async (host, deps, seenBy) => {
      const { openDriver } = await import("./open.ts");
      return openDriver(dialect, host, deps, seenBy);
    },
  };
}

/**
 * An engine of this machine sees the workspace itself; another one gets a seeded volume that is canonical there.
 * Without access the runtime has an anonymous volume of its own, which goes away with it.
 */
function provider(settings: Settings, host: Host | undefined, dialect: Dialect): WorkspaceProvider {
  if (settings.workspace.access === "none") return "own";
  return isRemote(host, dialect.name) ? "volume" : "bind";
}
