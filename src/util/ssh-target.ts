/** Where an SSH connection goes, in a config's text. Pure. */
export interface Target {
  readonly user?: string;
  /** Name, alias or address, without brackets. */
  readonly host: string;
  readonly port?: number;
}

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

export function targetText({ user, host, port }: Target): string {
  const at = `${user === undefined ? "" : `${user}@`}${host.includes(":") ? `[${host}]` : host}`;
  return port === undefined ? at : `${at}:${String(port)}`;
}
