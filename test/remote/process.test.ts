import { PassThrough } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import { runProgram } from "../../src/remote/process.ts";
import type { ChannelEnd } from "../../src/remote/transport.ts";

const NONCE = "00ff00ff00ff00ff";
const BEGIN = `welcome\n${NONCE} o 12 13 -\n`;
const end = (code: number): string => `${NONCE} x ${String(code)}\n`;

/** A channel whose bytes and word of its end come when a test says so. */
function channelOf(ended: Promise<ChannelEnd>, closed = ended) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.resume();
  const close = (): void => {
    stdout.end();
    stderr.end();
  };
  return { stdin, stdout, stderr, ended, closed, close };
}

function begin(channel: ReturnType<typeof channelOf>, tellsCode = false) {
  const seen = { out: "", err: "" };
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  stdout.on("data", (chunk) => (seen.out += String(chunk)));
  stderr.on("data", (chunk) => (seen.err += String(chunk)));
  const wire = { channel, nonce: NONCE, tellsCode, label: "ci@build1" };
  const { result } = runProgram(wire, { script: "", args: [], onLost: "kill", stdout, stderr });
  let settled = false;
  const over = (): void => void (settled = true);
  result.then(over, over);
  return { seen, result, settled: () => settled };
}

async function pass(ms: number): Promise<void> {
  for (let each = 0; each < ms; each += 50) {
    await vi.advanceTimersByTimeAsync(50);
    await turn();
  }
}

afterEach(() => void vi.useRealTimers());
const exited = Promise.resolve({ kind: "exited", code: 0 } as const);

it("waits for output that stands still on its way, whatever the transport says of the end", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const channel = channelOf(exited);
  const ran = begin(channel);
  channel.stdout.write(`${BEGIN}first `);
  await pass(60_000);
  expect(ran.settled()).toBe(false);
  channel.stdout.write(`last${end(7)}`);
  channel.stderr.write("err");
  await pass(60_000);
  expect(ran.settled()).toBe(false);
  channel.stderr.end(end(7));
  channel.stdout.end();
  await pass(1_000);
  expect(await ran.result).toBe(7);
  expect(ran.seen).toEqual({ out: "first last", err: "err" });
});

it("keeps back nothing but what may be its own line", async () => {
  const channel = channelOf(exited);
  const ran = begin(channel);
  channel.stdout.write(BEGIN);
  for (const text of ["$ ", "0", "a", NONCE.slice(0, 15), "!"]) channel.stdout.write(text);
  await vi.waitFor(() => expect(ran.seen.out).toBe(`$ 0a${NONCE.slice(0, 15)}!`));
  for (const byte of end(0)) channel.stdout.write(byte);
  channel.stderr.end(end(0));
  channel.stdout.end("late");
  expect(await ran.result).toBe(0);
  expect(ran.seen.out).toBe(`$ 0a${NONCE.slice(0, 15)}!late`);
});

it.each(["quiet", "busy"])(
  "is held up by no %s process that it left behind, and tells of it",
  async (kind) => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const channel = channelOf(exited);
    const ran = begin(channel);
    channel.stdout.write(`${BEGIN}own${end(0)}`);
    channel.stderr.write(end(0));
    for (let each = 0; each < 400 && !ran.settled(); each += 1) {
      if (kind === "busy") channel.stdout.write(".");
      await pass(50);
    }
    expect(await ran.result).toBe(0);
    expect(ran.seen.out).toMatch(/^own\.*$/);
    expect(ran.seen.err).toContain("something that it left running still holds its output");
  },
);

it.each<readonly [string, ChannelEnd, boolean]>([
  ["success that the program did not tell", { kind: "exited", code: 0 }, false],
  ["a code that may be the transport's own", { kind: "exited", code: 255 }, true],
  ["a lost connection", { kind: "lost", why: "cut" }, false],
])("takes %s for nothing known", async (_name, told, tellsCode) => {
  const channel = channelOf(Promise.resolve(told));
  const ran = begin(channel, tellsCode);
  channel.stdout.end(`${BEGIN}some`);
  channel.stderr.end();
  await expect(ran.result).rejects.toMatchObject({ code: "SSH_LOST", kind: "unreachable" });
});

it("gives the signal's code where the shell that would tell was ended itself", async () => {
  const channel = channelOf(Promise.resolve({ kind: "killed", code: 137 }));
  const ran = begin(channel);
  channel.stdout.write(`${BEGIN}some`);
  expect(await ran.result).toBe(137);
});
