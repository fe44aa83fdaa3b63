/** The built-in client: quick, exact about exit codes and signals, and without certificates. */
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { Client, ClientChannel } from "ssh2";
import { SandkeepError } from "../errors.ts";
import { signalExit } from "../util/signal-exit.ts";
import type { Access, Timing } from "./access.ts";
import { lost, notForwarded, sshError } from "./errors.ts";
import { logIn, PROHIBITED } from "./ssh2-login.ts";
import type { Channel, ChannelEnd, Forwarded, TerminalSize, Transport } from "./transport.ts";
import { BUSY } from "./transport.ts";

/** `SSH_OPEN_CONNECT_FAILED`: what sshd answers above MaxSessions. */
const REFUSED = 2;

export async function connectSsh2(access: Access, timing: Timing): Promise<Transport> {
  const { clients, socket, client } = await logIn(access, timing);
  const state = { alive: true, why: "it was closed" };
  for (const each of clients) each.on("error", (error) => (state.why = error.message));
  client.once("close", () => {
    state.alive = false;
    for (const each of clients) each.destroy();
  });
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
      else resolve({ kind: "killed", code: signalExit(`SIG${signal ?? ""}`) });
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

function forward(access: Access, client: Client, path: string): Promise<Forwarded> {
  return new Promise((resolve, reject) => {
    client.openssh_forwardOutStreamLocal(path, (error, stream) => {
      if (error === undefined) resolve({ stream, proven: true });
      else if ("reason" in error) reject(notForwarded(path, access.label, error));
      else reject(sshError(error, `reach ${path} on ${access.label}`));
    });
  });
}
