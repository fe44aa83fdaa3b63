/** Whether a worker could take a command: from this machine's files and programs, and from the worker itself. */
import { constants } from "node:fs";
import { SandkeepError } from "../../errors.ts";
import type { Probe, ProbeClient, ProbeReason } from "../../model/posture.ts";
import type { Host } from "../../model/settings.ts";
import { preflightAccess } from "../../remote/posture.ts";
import { isAccessible } from "../../util/accessible.ts";
import type { FoundClient } from "./client.ts";
import { findClient, fitted, versionOf } from "./client.ts";
import { askWorkers } from "./control.ts";
import type { Dialer } from "./dial.ts";
import type { Endpoint } from "./endpoint.ts";
import { resolveEndpoint } from "./endpoint.ts";
import { buildkitError } from "./errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

const LOOPBACK = /^(?:localhost|127\.|::1$)/;

function missing(named: string | undefined): ProbeReason {
  return {
    code: "client-missing",
    message:
      named === undefined
        ? "neither buildctl nor docker buildx is on this machine"
        : `there is no buildctl that could be run at ${named}`,
    fix:
      named === undefined
        ? "install docker buildx (Debian's docker-buildx) or buildctl, or set buildkit.buildctl_path"
        : "correct buildkit.buildctl_path, or remove it to use the first client there is",
  };
}

/** What a command without a client is refused with. */
export async function clientFor(env: Env, host: Host | undefined): Promise<FoundClient> {
  const found = await findClient(env, host?.client);
  if (found !== undefined) return found;
  const { message, fix } = missing(host?.client);
  throw new SandkeepError(message, { code: "BUILDKIT_NO_CLIENT", hint: fix, blame: "backend" });
}

/** Connects to nothing and starts nothing. */
export async function preflight(host: Host | undefined, env: Env): Promise<Probe> {
  const found = await findClient(env, host?.client);
  const own = found === undefined ? [missing(host?.client)] : [];
  const client = found === undefined ? {} : { client: clientOf(found, null) };
  try {
    const endpoint = await resolveEndpoint(host);
    const [fatal, weak] = await endpointReasons(endpoint, env);
    return { ...verdict([...own, ...fatal], weak), ...client };
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const fix = thrown.hint ?? "check the endpoint";
    return {
      ...verdict([...own, { code: "endpoint-invalid", message: thrown.message, fix }], []),
      ...client,
    };
  }
}

/** The worker is asked, and the client for its version. */
export async function probe(dialer: () => Promise<Dialer>, host: Host | undefined, env: Env): Promise<Probe> {
  const found = await findClient(env, host?.client);
  const fatal: ProbeReason[] = found === undefined ? [missing(host?.client)] : [];
  let client: ProbeClient | undefined;
  if (found !== undefined) {
    const said = await versionOf(found, env);
    client = clientOf(found, said?.version ?? null);
    if (said?.tooOld !== undefined) {
      const message = `${found.client.name} ${said.version} is older than ${said.tooOld}`;
      fatal.push({ code: "client-too-old", message, fix: "install a newer one" });
    }
  }
  try {
    const worker = await dialer();
    await askWorkers(worker);
    if (found !== undefined && client !== undefined) {
      const { driver } = (await fitted(found, worker, env)).client;
      if (driver !== undefined) client = { ...client, driver };
    }
  } catch (thrown) {
    const { kind, message, hint } = buildkitError("ask the worker", thrown);
    const code = kind === "denied" ? "denied" : "unreachable";
    fatal.push({ code, message, fix: hint ?? "check the endpoint" });
  }
  return { ...verdict(fatal, []), ...(client === undefined ? {} : { client }) };
}

function verdict(fatal: readonly ProbeReason[], weak: readonly ProbeReason[]): Probe {
  if (fatal.length > 0) return { status: "unavailable", reasons: [...fatal, ...weak] };
  return weak.length > 0 ? { status: "degraded", reasons: weak } : { status: "ready" };
}

function clientOf({ client, program }: FoundClient, version: string | null): ProbeClient {
  return { name: client.name, program, version };
}

async function endpointReasons(endpoint: Endpoint, env: Env): Promise<[ProbeReason[], ProbeReason[]]> {
  const at = endpoint.kind === "docker" ? endpoint.engine : endpoint;
  switch (at.kind) {
    case "unix":
      return [await socketReasons(at.socket), []];
    case "ssh": {
      const seen = await preflightAccess(at.name, at.access, env);
      if (seen.status === "ready") return [[], []];
      return seen.status === "unavailable" ? [[...seen.reasons], []] : [[], [...seen.reasons]];
    }
    default:
      return [[], at.tls === undefined && !LOOPBACK.test(at.host) ? [unencrypted(at.host)] : []];
  }
}

async function socketReasons(socket: string): Promise<ProbeReason[]> {
  if (await isAccessible(socket, constants.R_OK | constants.W_OK)) return [];
  return (await isAccessible(socket))
    ? [
        {
          code: "denied",
          message: `${socket} may not be used by this user`,
          fix: "join the group that owns it",
        },
      ]
    : [
        {
          code: "socket-missing",
          message: `there is no ${socket}: no worker listens there`,
          fix: "start the worker, or correct buildkit.endpoint",
        },
      ];
}

function unencrypted(host: string): ProbeReason {
  return {
    code: "transport-unencrypted",
    message: `the worker on ${host} is reached without TLS: who listens on the way sees the workspace and the secrets`,
    fix: "set buildkit.tls, or reach it by ssh://",
  };
}
