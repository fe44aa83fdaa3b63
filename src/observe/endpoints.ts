/** Engines as the state directory remembers them, and back. */
import type { DriverRegistry } from "../drivers/driver.ts";
import type { Endpoint } from "../state/endpoints.ts";
import type { EngineRef } from "./engines.ts";

export function endpointOf(ref: EngineRef): Endpoint {
  const { backend, host, config, former } = ref;
  return {
    backend,
    host,
    ...(config?.docker === undefined ? {} : { docker: config.docker }),
    ...(config?.podman === undefined ? {} : { podman: config.podman }),
    ...(config?.tls === undefined ? {} : { tls: config.tls }),
    ...(config?.ssh === undefined ? {} : { ssh: config.ssh }),
    ...(former === undefined ? {} : { former }),
  };
}

/** Endpoints of backends that this sandkeep does not have are left alone. */
export function engineRef(endpoint: Endpoint, drivers: DriverRegistry, declared: boolean): EngineRef[] {
  const { backend, host, former, ...places } = endpoint;
  if (drivers[backend] === undefined) return [];
  const moved = former === undefined ? {} : { former };
  const { docker, podman, tls, ssh } = places;
  const reach = {
    ...(docker === undefined ? {} : { docker }),
    ...(podman === undefined ? {} : { podman }),
    ...(tls === undefined ? {} : { tls }),
    ...(ssh === undefined ? {} : { ssh }),
  };
  if (Object.keys(reach).length === 0) return [{ backend, host, declared, ...moved }];
  return [{ backend, host, declared, ...moved, config: { name: host, labels: {}, ...reach } }];
}
