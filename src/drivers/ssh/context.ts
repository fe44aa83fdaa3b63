/** What the parts of the driver share: its dependencies and the way to the host. */
import type { Connection } from "../../remote/connection.ts";
import type { Host } from "../../model/settings.ts";
import type { DriverDeps } from "../driver.ts";

export interface SshContext {
  readonly deps: DriverDeps;
  readonly host: Host;
  readonly connection: Connection;
}
