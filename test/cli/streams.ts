import { PassThrough } from "node:stream";
import { main } from "../../src/cli/command-line.ts";
import type { Env } from "../../src/cli/globals.ts";
import type { Streams } from "../../src/cli/invocation.ts";

/** A stream that keeps what was written to it. */
export class Sink extends PassThrough {
  readonly #chunks: Buffer[] = [];
  readonly isTTY: boolean;

  constructor(tty: boolean) {
    super();
    this.isTTY = tty;
    this.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}

export interface TestStreams extends Streams {
  readonly stdin: PassThrough & { readonly isTTY: boolean };
  readonly stdout: Sink & { columns: number };
  readonly stderr: Sink & { columns: number };
}

export function testStreams(tty = false): TestStreams {
  const output = () => Object.assign(new Sink(tty), { columns: 100 });
  return { stdin: Object.assign(new PassThrough(), { isTTY: tty }), stdout: output(), stderr: output() };
}

/** Runs one command line in this process; nothing of the real environment gets in. */
export async function cli(
  argv: readonly string[],
  { env = {}, cwd = "/", streams = testStreams() }: { env?: Env; cwd?: string; streams?: TestStreams } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const code = await main(argv, env, streams, () => cwd);
  return { code, stdout: streams.stdout.text, stderr: streams.stderr.text };
}
