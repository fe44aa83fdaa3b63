/** The built-in client: quick, exact about exit codes and signals, and without certificates. */
import { constants as os } from "node:os";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import type { Client, ClientChannel, ConnectConfig } from "ssh2";
import { SandkeepError } from "../errors.ts";
import type { Access, Timing } from "./access.ts";
import { lost, sshError } from "./errors.ts";
import { hostKeyRefused } from "./host-key.ts";
import { hostPattern, judgeHostKey, keyType, knownTypes } from "./known-hosts.ts";
import type { Channel, ChannelEnd, TerminalSize, Transport } from "./transport.ts";
import { BUSY } from "./transport.ts";

/** `SSH_OPEN_CONNECT_FAILED`: what sshd answers above MaxSessions. */
const REFUSED = 2;
const PROHIBITED = 1;

export async function connectSsh2(access: Access, timing: Timing): Promise<Transport> {
  const { target } = access;
  const client = new ssh2.Client();
  // Nagle's algorithm would cost 40 ms an exec.
  const socket = connect({ host: target.host, port: target.port, noDelay: true });
  let refusal: SandkeepError | undefined;
  const state = { alive: true, why: "it was closed" };
  await new Promise<void>((resolve, reject) => {
    const fail = (thrown: unknown): void => reject(refusal ?? sshError(thrown, `connect to ${access.label}`));
    socket.once("error", fail);
    client.once("ready", resolve);
    client.once("error", fail);
    client.once("close", () => fail(new Error("the host closed the connection")));
    client.connect({
      sock: socket,
      username: target.user,
      ...credentials(access),
      ...preferKnown(access),
      readyTimeout: timing.connectMs,
      keepaliveInterval: timing.aliveMs,
      keepaliveCountMax: 3,
      hostVerifier: (blob: Buffer) => {
        refusal = verify(access, blob);
        return refusal === undefined;
      },
    });
  }).catch((thrown: unknown) => {
    client.destroy();
    socket.destroy();
    throw thrown;
  });
  client.on("error", (error) => (state.why = error.message));
  client.once("close", () => (state.alive = false));
  return transport(access, client, socket, state);
}

function transport(
  access: Access,
  client: Client,
  socket: Socket,
  state: { alive: boolean; why: string },
): Transport {
  return {
    kind: "ssh2",
    tellsCode: false,
    alive: () => state.alive,
    hold: (holds) => (holds ? socket.ref() : socket.unref()),
    open: async (command, tty) => channelOf(await openChannel(access, client, command, tty), state),
    forward: async (path) => forward(access, client, path),
    async [Symbol.asyncDispose]() {
      if (!state.alive) return;
      const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
      client.end();
      // A host that hangs answers no goodbye.
      const timer = setTimeout(() => client.destroy(), 1_000);
      await closed;
      clearTimeout(timer);
    },
  };
}

function verify(access: Access, blob: Buffer): SandkeepError | undefined {
  const key = { type: keyType(blob) ?? "unknown", key: blob.toString("base64") };
  const name = hostPattern(access.target.host, access.target.port);
  const verdict = judgeHostKey(access.known, name, key);
  if (verdict.status === "known") return undefined;
  if (verdict.status === "unknown" && !access.strict) return undefined;
  return hostKeyRefused(verdict, { name, key, where: access.knownFrom });
}

/** A host that is known by one kind of key is asked for that kind, as OpenSSH asks. */
function preferKnown(access: Access): Pick<ConnectConfig, "algorithms"> {
  const types = knownTypes(access.known, hostPattern(access.target.host, access.target.port));
  const names = types.flatMap((type) =>
    type === "ssh-rsa" ? (["rsa-sha2-512", "rsa-sha2-256"] as const) : ECDSA.filter((each) => each === type),
  );
  return names.length === 0 ? {} : { algorithms: { serverHostKey: [...new Set(names)] } };
}

const ECDSA = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"] as const;

/** A key that is given is the only one tried; otherwise the agent's, then those found in the usual place. */
function credentials(access: Access): Pick<ConnectConfig, "authHandler"> {
  const username = access.target.user;
  const keys = access.keys.map(({ text }) => ({ type: "publickey" as const, username, key: text }));
  const agent = access.agent === undefined ? [] : [{ type: "agent" as const, username, agent: access.agent }];
  return { authHandler: [...agent, ...keys] };
}

function openChannel(
  access: Access,
  client: Client,
  command: string,
  tty: TerminalSize | undefined,
): Promise<ClientChannel> {
  const pty = tty === undefined ? {} : { pty: { rows: tty.rows, cols: tty.columns, term: "xterm-256color" } };
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(lost(access.label, "it closed while a command was being started"));
    client.once("close", gone);
    const settle = (error: Error | undefined, channel: ClientChannel): void => {
      client.off("close", gone);
      if (error === undefined) resolve(channel);
      else reject(opening(error, access));
    };
    try {
      client.exec(command, pty, settle);
    } catch (thrown) {
      client.off("close", gone);
      reject(lost(access.label, String(thrown)));
    }
  });
}

function opening(error: Error, access: Access): SandkeepError {
  const reason = "reason" in error ? error.reason : undefined;
  if (reason !== REFUSED && reason !== PROHIBITED) return sshError(error, `run a command on ${access.label}`);
  return new SandkeepError(`${access.label} allows no more sessions on one connection`, {
    code: BUSY,
    kind: "transient",
    blame: "backend",
    hint: "raise MaxSessions in the host's sshd_config, or run less at once",
    cause: error,
  });
}

function channelOf(
  channel: ClientChannel,
  state: { readonly alive: boolean; readonly why: string },
): Channel {
  // Streams of their own: reading one to its end must not close the command's input.
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  channel.pipe(stdout);
  channel.stderr.pipe(stderr);
  channel.on("error", () => undefined);
  const closed = new Promise<ChannelEnd>((resolve) => {
    // Where the connection went, the library closes its channels as the host would.
    channel.once("close", () => {
      stdout.end();
      stderr.end();
      resolve(state.alive ? ended : { kind: "lost", why: state.why });
    });
  });
  const ended = new Promise<ChannelEnd>((resolve) => {
    channel.once("exit", (code: number | null, signal?: string) => {
      if (code !== null) resolve({ kind: "exited", code });
      else resolve({ kind: "exited", code: 128 + (signalNumber(signal) ?? 0) });
    });
    channel.once("close", () => resolve({ kind: "lost", why: state.why }));
  });
  return {
    stdin: channel,
    stdout,
    stderr,
    ended,
    closed,
    resize: ({ rows, columns }) => channel.setWindow(rows, columns, 0, 0),
    close: () => channel.destroy(),
  };
}

function signalNumber(name: string | undefined): number | undefined {
  const wanted = `SIG${name ?? ""}`;
  return Object.entries(os.signals).find(([each]) => each === wanted)?.[1];
}

function forward(access: Access, client: Client, path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.openssh_forwardOutStreamLocal(path, (error, channel) => {
      if (error === undefined) resolve(channel);
      else reject(sshError(error, `reach ${path} on ${access.label}`));
    });
  });
}
