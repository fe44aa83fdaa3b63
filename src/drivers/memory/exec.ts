import { posix } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { signalExit } from "../../util/signal-exit.ts";
import type { ExecHandle, ExecRequest, ExecResult, TerminalSize } from "../driver.ts";
import { memoryError } from "./errors.ts";
import { programAt } from "./program.ts";
import type { FileTree } from "./file-tree.ts";

/** What a command of the memory backend can see and do. */
export interface CommandContext {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin: Readable | undefined;
  readonly out: (chunk: string | Uint8Array) => Promise<void>;
  readonly err: (chunk: string | Uint8Array) => Promise<void>;
  /** Aborted when a signal ends the command. */
  readonly ended: AbortSignal;
  /** Undefined without a terminal. */
  readonly size: () => TerminalSize | undefined;
  readonly files: (path: string) => { readonly tree: FileTree; readonly path: string };
  readonly run: (argv: readonly string[]) => Promise<number>;
}

/** Returns the exit code. */
export type MemoryCommand = (context: CommandContext) => number | Promise<number>;

/** A command that goes on in a runtime. */
export interface Running {
  end(exitCode: number): void;
}

const CANNOT_RUN = 126;
const NOT_FOUND = 127;
const KILLED = signalExit("SIGKILL");
/** What the engine would know of these. */
const BECAUSE: Readonly<Record<string, ExecResult["because"]>> = {
  starve: "out-of-memory",
  forbidden: "refused",
};

function at(argv: readonly string[], index: number): string {
  return argv[index] ?? "";
}

const BUILT_IN: Readonly<Record<string, MemoryCommand>> = {
  true: () => 0,
  false: () => 1,
  exit: ({ argv }) => Number(at(argv, 1)) & 255,
  sleep: async ({ argv, ended }) => {
    await sleep(Number(at(argv, 1)), undefined, { signal: ended });
    return 0;
  },
  echo: async ({ argv, out }) => {
    await out(`${argv.slice(1).join(" ")}\n`);
    return 0;
  },
  /** `complain TEXT…`: echo, to stderr. */
  complain: async ({ argv, err }) => {
    await err(`${argv.slice(1).join(" ")}\n`);
    return 0;
  },
  env: async ({ env, out }) => {
    await out(
      Object.entries(env)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(""),
    );
    return 0;
  },
  pwd: async ({ cwd, out }) => {
    await out(`${cwd}\n`);
    return 0;
  },
  cat: async ({ argv, stdin, out, err, files, cwd }) => {
    if (argv.length === 1) {
      for await (const chunk of stdin ?? []) await out(chunk);
      return 0;
    }
    const { tree, path } = files(posix.resolve(cwd, at(argv, 1)));
    const entry = tree.get(path);
    await (entry?.type === "file" ? out(entry.content) : err(`cat: ${at(argv, 1)}: no such file\n`));
    return entry?.type === "file" ? 0 : 1;
  },
  /** `write PATH TEXT…`. */
  write: ({ argv, files, cwd }) => {
    const { tree, path } = files(posix.resolve(cwd, at(argv, 1)));
    tree.set(path, { type: "file", mode: 0o644, content: Buffer.from(`${argv.slice(2).join(" ")}\n`) });
    return 0;
  },
  /** `bytes N`: all byte values in turn. */
  bytes: async ({ argv, out }) => {
    await out(Buffer.from(Array.from({ length: Number(at(argv, 1)) }, (_, index) => index & 255)));
    return 0;
  },
  /** Writes until it is ended. */
  yes: async ({ out, ended }) => {
    for (;;) {
      await out("y\n");
      await sleep(1, undefined, { signal: ended });
    }
  },
  /** Needs more memory than there is. */
  starve: () => KILLED,
  /** The sandbox does not let it run. */
  forbidden: () => CANNOT_RUN,
  /** `size`: rows and columns of the terminal, now and whenever they change, until it is ended. */
  size: async ({ size, out, ended }) => {
    for (let last = ""; ; await sleep(5, undefined, { signal: ended })) {
      const now = size();
      const text = now === undefined ? "not a tty" : `${now.rows} ${now.columns}`;
      if (text !== last) await out(`${text}\n`);
      last = text;
    }
  },
  sh: async ({ argv, run }) => {
    let code = 0;
    for (const part of at(argv, 2).split("&&")) {
      code = await run(part.trim().split(/\s+/));
      if (code !== 0) return code;
    }
    return code;
  },
};

export interface Place {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly commands: Readonly<Record<string, MemoryCommand>>;
  readonly files: CommandContext["files"];
}

/** What a runtime's own command comes to: the exit code of those that end at once, undefined for those that go on. */
export function mainOutcome(argv: readonly string[]): number | undefined {
  const name = posix.basename(at(argv, 0));
  if (name === "true") return 0;
  if (name === "false") return 1;
  return name === "exit" ? Number(at(argv, 1)) & 255 : undefined;
}

/** Starts a command; `onEnd` hears of its end, however it comes. */
export function startCommand(
  request: ExecRequest,
  place: Place,
  onEnd: (running: Running) => void,
): { readonly handle: ExecHandle; readonly running: Running } {
  const abort = new AbortController();
  const forced = new Promise<number>((resolve) => {
    abort.signal.addEventListener("abort", () => resolve(Number(abort.signal.reason)));
  });
  let size = request.tty;
  const running: Running = {
    end(exitCode) {
      abort.abort(exitCode);
    },
  };
  const handle: ExecHandle = {
    result: outcome(),
    async signal(name) {
      running.end(signalExit(name));
    },
    async resize(next) {
      if (request.tty === undefined) throw memoryError("terminal", "this command has no terminal");
      size = next;
    },
  };
  return { handle, running };

  function broken(): void {
    running.end(signalExit("SIGPIPE"));
  }

  async function outcome(): Promise<ExecResult> {
    const life = { ended: abort.signal, size: () => size, broken };
    const own = interpret(request.argv, request, place, life);
    const settled = own.catch((error: unknown) => {
      if (abort.signal.aborted) return forced;
      throw error;
    });
    try {
      const exitCode = await Promise.race([settled, forced]);
      const because = abort.signal.aborted ? undefined : BECAUSE[at(request.argv, 0)];
      return because === undefined ? { exitCode } : { exitCode, because };
    } finally {
      onEnd(running);
    }
  }
}

async function interpret(
  argv: readonly string[],
  request: ExecRequest,
  place: Place,
  life: Pick<CommandContext, "ended" | "size"> & { readonly broken: () => void },
): Promise<number> {
  const name = posix.basename(at(argv, 0));
  const own = programAt(place.files, request.env["PATH"], name);
  // What it runs is never itself.
  const below = { ...request, env: { ...request.env, PATH: "" } };
  if (own !== undefined) return interpret(["sh", "-c", own, ...argv.slice(1)], below, place, life);
  const stderr = request.tty === undefined ? request.stderr : request.stdout;
  const command = Object.hasOwn(place.commands, name)
    ? place.commands[name]
    : Object.hasOwn(BUILT_IN, name)
      ? BUILT_IN[name]
      : undefined;
  if (command === undefined) {
    await write(stderr, `${at(argv, 0)}: not found\n`, life.broken);
    return NOT_FOUND;
  }
  const { broken, ...context } = life;
  return command({
    ...context,
    argv,
    run: async (inner) => interpret(inner, request, place, life),
    env: { ...place.env, ...request.env },
    cwd: request.cwd ?? place.cwd,
    stdin: request.stdin,
    out: async (chunk) => write(request.stdout, chunk, broken),
    err: async (chunk) => write(stderr, chunk, broken),
    files: place.files,
  });
}

/** Waits where the reader is slow; where it has gone, the writer ends as one on a broken pipe. */
async function write(stream: Writable, chunk: string | Uint8Array, broken: () => void): Promise<void> {
  if (stream.destroyed || stream.writableEnded) return broken();
  await new Promise<void>((resolve) => stream.write(chunk, () => resolve()));
}
