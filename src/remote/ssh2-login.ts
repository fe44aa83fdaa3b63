/** In: how a host is reached. Out: a client that is logged in there, through every host on the way. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import type { Client, ConnectConfig } from "ssh2";
import { SandkeepError } from "../errors.ts";
import type { Access, Timing } from "./access.ts";
import { sshError } from "./errors.ts";
import { hostKeyRefused } from "./host-key.ts";
import { hostPattern, judgeHostKey, keyType, knownTypes } from "./known-hosts.ts";

/** `SSH_OPEN_ADMINISTRATIVELY_PROHIBITED`. */
export const PROHIBITED = 1;

type Hop = Access["target"];

export interface Login {
  /** Logged in at the target. */
  readonly client: Client;
  /** All of them, the first one first. */
  readonly clients: readonly Client[];
  /** What all of it goes through. */
  readonly socket: Socket;
}

export async function logIn(access: Access, timing: Timing): Promise<Login> {
  const hops = [...access.jumps, access.target];
  const [first = access.target] = hops;
  // Nagle's algorithm would cost 40 ms an exec.
  const socket = connect({ host: first.host, port: first.port, noDelay: true });
  const client = new ssh2.Client();
  const clients = [client];
  try {
    await enter(access, first, { client, stream: socket, timing });
    let last = client;
    for (const hop of hops.slice(1)) {
      const stream = await pass(access, last, hop);
      last = new ssh2.Client();
      clients.push(last);
      await enter(access, hop, { client: last, stream, timing });
    }
    return { client: last, clients, socket };
  } catch (thrown) {
    for (const each of clients) each.destroy();
    socket.destroy();
    throw thrown;
  }
}

interface Entry {
  readonly client: Client;
  readonly stream: Duplex;
  readonly timing: Timing;
}

async function enter(access: Access, hop: Hop, { client, stream, timing }: Entry): Promise<void> {
  let refusal: SandkeepError | undefined;
  await new Promise<void>((resolve, reject) => {
    const fail = (thrown: unknown): void =>
      reject(refusal ?? sshError(thrown, `connect to ${placeOf(access, hop)}`));
    stream.once("error", fail);
    client.once("ready", resolve);
    // A later one belongs to whoever uses the connection then.
    client.on("error", fail);
    client.once("close", () => fail(new Error("the host closed the connection")));
    client.connect({
      sock: stream,
      username: hop.user,
      ...credentials(access, hop),
      ...preferKnown(access, hop),
      readyTimeout: timing.connectMs,
      keepaliveInterval: timing.aliveMs,
      keepaliveCountMax: 3,
      hostVerifier: (blob: Buffer) => {
        refusal = verify(access, hop, blob);
        return refusal === undefined;
      },
    });
  });
}

function placeOf(access: Access, hop: Hop): string {
  return hop === access.target
    ? access.label
    : `the jump host ${hop.user}@${hostPattern(hop.host, hop.port)} on the way to ${access.label}`;
}

/** The stream to the next host that the one before it opens for us. */
function pass(access: Access, client: Client, hop: Hop): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(sshError(new Error("the jump host closed the connection"), doing));
    const doing = `go on to ${hostPattern(hop.host, hop.port)}`;
    client.once("close", gone);
    client.forwardOut("127.0.0.1", 0, hop.host, hop.port, (error, stream) => {
      client.off("close", gone);
      if (error === undefined) return resolve(stream);
      const prohibited = "reason" in error && error.reason === PROHIBITED;
      reject(
        new SandkeepError(`could not ${doing}: the jump host of ${access.label} says ${error.message}`, {
          code: prohibited ? "SSH_DENIED" : "SSH_UNREACHABLE",
          kind: prohibited ? "denied" : "unreachable",
          blame: "backend",
          hint: prohibited
            ? "its sshd_config has to allow TCP forwarding to the next host"
            : "check that the next host is up, and that the jump host reaches it by that name and port",
          cause: error,
        }),
      );
    });
  });
}

function verify(access: Access, { host, port }: Hop, blob: Buffer): SandkeepError | undefined {
  const key = { type: keyType(blob) ?? "unknown", key: blob.toString("base64") };
  const name = hostPattern(host, port);
  const verdict = judgeHostKey(access.known, name, key);
  if (verdict.status === "known") return undefined;
  if (verdict.status === "unknown" && !access.strict) return undefined;
  return hostKeyRefused(verdict, { name, key, where: access.knownFrom });
}

/** A host that is known by one kind of key is asked for that kind, as OpenSSH asks. */
function preferKnown(access: Access, { host, port }: Hop): Pick<ConnectConfig, "algorithms"> {
  const types = knownTypes(access.known, hostPattern(host, port));
  const names = types.flatMap((type) =>
    type === "ssh-rsa" ? (["rsa-sha2-512", "rsa-sha2-256"] as const) : ECDSA.filter((each) => each === type),
  );
  return names.length === 0 ? {} : { algorithms: { serverHostKey: [...new Set(names)] } };
}

const ECDSA = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"] as const;

/** A key that is given is the only one tried; otherwise the agent's, then those found in the usual place. */
function credentials(access: Access, { user: username }: Hop): Pick<ConnectConfig, "authHandler"> {
  const keys = access.keys.map(({ text }) => ({ type: "publickey" as const, username, key: text }));
  const agent = access.agent === undefined ? [] : [{ type: "agent" as const, username, agent: access.agent }];
  return { authHandler: [...agent, ...keys] };
}
