/** Where an SSH connection goes, read from a config's text. Pure. */

export interface Target {
  readonly user?: string;
  /** Name, alias or address, without brackets. */
  readonly host: string;
  readonly port?: number;
}

export const SSH_PORT = 22;

const SHAPE = /^(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/;

/** The config's schema has judged the text: one that does not fit is a host of its own name. */
export function parseTarget(text: string): Target {
  const [, user, address, name, port] = SHAPE.exec(text) ?? [];
  return {
    ...(user === undefined ? {} : { user }),
    host: address ?? name ?? text,
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

/** What the system's ssh takes as a destination; the port is an option of its own there. */
export function destinationOf({ user, host }: Target): string {
  return user === undefined ? host : `${user}@${host}`;
}
