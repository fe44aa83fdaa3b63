/** Opens the way to a host, one for all who ask for it in this process, and keeps it a moment for whoever asks next. */
import type { SshAccess } from "../model/settings.ts";
import type { Access, RemoteDeps, Timing } from "./access.ts";
import { readAccess, TIMING } from "./access.ts";
import type { Connection } from "./connection.ts";
import { connectionOf } from "./connection.ts";
import type { Transport } from "./transport.ts";

export type { RemoteDeps } from "./access.ts";

/** Planning, then applying, then a command, each with its own driver, are one connection. */
const LINGER_MS = 5_000;

interface Shared {
  readonly connection: Connection;
  users: number;
  leaving?: NodeJS.Timeout | undefined;
}

const open = new Map<string, Shared>();

/** Nothing is dialled before the first command. `name` is the host's in the config. */
export function openConnection(
  name: string,
  ssh: SshAccess,
  deps: RemoteDeps,
  timing: Timing = TIMING,
): Connection {
  const key = JSON.stringify([
    name,
    ssh,
    deps.env["HOME"],
    deps.env["SSH_AUTH_SOCK"],
    deps.env["PATH"],
    timing,
  ]);
  const known = open.get(key);
  const shared = known ?? {
    connection: connectionOf(
      ssh.target,
      () => readAccess(name, ssh, deps),
      (access) => dial(access, timing),
    ),
    users: 0,
  };
  open.set(key, shared);
  shared.users += 1;
  clearTimeout(shared.leaving);
  let left = false;
  return {
    ...shared.connection,
    async [Symbol.asyncDispose]() {
      if (left) return;
      left = true;
      shared.users -= 1;
      if (shared.users > 0) return;
      shared.leaving = setTimeout(() => {
        open.delete(key);
        void Promise.allSettled([shared.connection[Symbol.asyncDispose]()]);
      }, LINGER_MS);
      shared.leaving.unref();
    },
  };
}

async function dial(access: Access, timing: Timing): Promise<Transport> {
  if (access.transport === "ssh2") {
    const { connectSsh2 } = await import("./ssh2-transport.ts");
    return connectSsh2(access, timing);
  }
  const { connectOpenssh } = await import("./openssh-transport.ts");
  return connectOpenssh(access, timing);
}
