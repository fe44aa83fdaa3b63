/** Where an SSH connection goes, read from a config's text. Pure. */
import type { SshAccess } from "../model/settings.ts";
import type { Target } from "../util/ssh-target.ts";
import { parseTarget, targetText } from "../util/ssh-target.ts";

export const SSH_PORT = 22;

/** What the system's ssh takes as a destination; the port is an option of its own there. */
export function destinationOf({ user, host }: Target): string {
  return user === undefined ? host : `${user}@${host}`;
}

/**
 * The way to a machine that an endpoint names (`ssh://…`): by the keys and known hosts of the host's own table where there
 * is one, which also says the user and the port that the endpoint leaves out. `folder` is where programs of secrets start.
 */
export function accessTo(to: Target, table: SshAccess | undefined, folder: string): SshAccess {
  if (table === undefined)
    return { target: targetText(to), strict_host_key: true, transport: "auto", folder };
  const known = parseTarget(table.target);
  const { user, port } = to.host === known.host ? { ...known, ...to } : to;
  const same = to.host === known.host && user === known.user && port === known.port;
  const target = {
    host: to.host,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
  };
  return same ? table : { ...table, target: targetText(target) };
}
