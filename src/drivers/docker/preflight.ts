import { constants } from "node:fs";
import { dirname } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { Probe, ProbeReason } from "../../model/posture.ts";
import type { Host } from "../../model/settings.ts";
import { preflightAccess } from "../../remote/posture.ts";
import { isAccessible } from "../../util/accessible.ts";
import type { Endpoint, EngineName } from "./endpoint.ts";
import { resolveEndpoint } from "./endpoint.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** What can be told of an engine by its endpoint alone: the socket, the certificates, the way there. Connects to nothing. */
export async function preflight(engine: EngineName, host: Host | undefined, env: Env): Promise<Probe> {
  let endpoint: Endpoint;
  try {
    endpoint = await resolveEndpoint(host, env, engine);
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const fix = thrown.hint ?? "check the endpoint";
    return unavailable({ code: "endpoint-invalid", message: thrown.message, fix });
  }
  if (endpoint.kind === "unix") return ofSocket(endpoint.socket, engine);
  if (endpoint.kind === "ssh") return preflightAccess(endpoint.name, endpoint.access, env);
  if (endpoint.tls === undefined) return unencrypted(endpoint.host);
  return { status: "ready" };
}

async function ofSocket(socket: string, engine: EngineName): Promise<Probe> {
  if (await isAccessible(socket, constants.R_OK | constants.W_OK)) return { status: "ready" };
  // Behind a folder that we may not enter nothing can be seen, whether it is there or not.
  const denied = (await isAccessible(socket)) || !(await isAccessible(dirname(socket), constants.X_OK));
  return denied && (await isAccessible(dirname(socket)))
    ? unavailable({
        code: "denied",
        message: `${socket} may not be used by this user`,
        fix: `join the group that owns the socket, or use an engine of your own`,
      })
    : unavailable({
        code: "socket-missing",
        message: `there is no ${socket}: no ${engine} engine listens there`,
        fix: `start the engine, or say where it is in a [hosts.<name>] table`,
      });
}

const LOOPBACK = /^(?:localhost|127\.|::1$)/;

function unencrypted(host: string): Probe {
  if (LOOPBACK.test(host)) return { status: "ready" };
  return {
    status: "degraded",
    reasons: [
      {
        code: "transport-unencrypted",
        message: `the engine on ${host} is reached without TLS: who listens on the way can read and take it over`,
        fix: "give the host's table a tls section, or reach the engine by ssh://",
      },
    ],
  };
}

function unavailable(reason: ProbeReason): Probe {
  return { status: "unavailable", reasons: [reason] };
}
