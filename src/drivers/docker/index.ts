/**
 * The driver for Docker Engines, and for Podman's compatible socket.
 * In: specs and names. Out: what the engine holds, and one idempotent effect a call. It decides nothing.
 * This file is data and pure functions; the client library is loaded by the first call to an engine.
 */
import type { Host, Settings } from "../../model/settings.ts";
import type { WorkspaceProvider } from "../../model/spec.ts";
import type { DriverModule } from "../driver.ts";
import { capabilities } from "./capabilities.ts";
import { isRemote } from "./endpoint.ts";
import { dockerFields } from "./fields.ts";
import { requirements } from "./requirements.ts";
import { normalise } from "./spec.ts";

export const dockerDriver: DriverModule = {
  backend: "docker",
  capabilities,
  fields: dockerFields,
  provider,
  require: requirements,
  notes: () => [],
  normalise,
  openReader: async (host, deps) => {
    const { openReader } = await import("./open.ts");
    return openReader(host, deps);
  },
  open: async (host, deps) => {
    const { openDriver } = await import("./open.ts");
    return openDriver(host, deps);
  },
};

/**
 * An engine of this machine sees the workspace itself; another one gets a seeded volume that is canonical there.
 * Without access the runtime has an anonymous volume of its own, which goes away with it.
 */
function provider(settings: Settings, host: Host | undefined): WorkspaceProvider {
  if (settings.workspace.access === "none") return "own";
  return isRemote(host) ? "volume" : "bind";
}
