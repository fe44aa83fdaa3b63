import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { PRIVATE_FILE } from "../util/durable-file.ts";

export type StreamName = "stdout" | "stderr";

const LETTERS = { stdout: "o", stderr: "e" } as const satisfies Record<StreamName, string>;
/** Output that follows sooner shares the mark before it. */
const FINEST_MS = 20;
/** After so many marks the next are twice as far apart, so that a run of weeks has a small index, too. */
const COARSER_AFTER = 16_384;

/**
 * When output came, apart from the output: `o 4096 1250` says that from byte 4096 on stdout came 1250 ms after the start.
 * `O 65536` says that a new file of stdout begins with that byte.
 */
export class TimeIndex {
  readonly #file: TimeFile;
  readonly #letter: string;
  #last = -Infinity;
  #marks = 0;
  #apart = FINEST_MS;

  constructor(file: TimeFile, stream: StreamName) {
    this.#file = file;
    this.#letter = LETTERS[stream];
  }

  mark(offset: number): void {
    const now = this.#file.elapsed();
    if (now - this.#last < this.#apart) return;
    this.#last = now;
    this.#marks += 1;
    if (this.#marks % COARSER_AFTER === 0) this.#apart *= 2;
    this.#file.add(`${this.#letter} ${offset} ${Math.round(now)}\n`);
  }

  turned(base: number): void {
    this.#file.add(`${this.#letter.toUpperCase()} ${base}\n`);
  }

  async flush(): Promise<void> {
    await this.#file.flush();
  }
}

/** The file that the indexes of both streams share; made with the first mark. */
export class TimeFile implements AsyncDisposable {
  readonly elapsed: () => number;
  readonly #path: string;
  #handle: Promise<FileHandle> | undefined;
  #text = "";
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, elapsed: () => number) {
    this.#path = path;
    this.elapsed = elapsed;
  }

  add(line: string): void {
    this.#text += line;
  }

  /** Losing marks loses no output, so that a failure here is none. */
  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text === "") return;
    this.#writing = this.#append(this.#writing, text);
    await this.#writing;
  }

  async #append(before: Promise<void>, text: string): Promise<void> {
    await before;
    try {
      this.#handle ??= open(this.#path, "a", PRIVATE_FILE);
      await (await this.#handle).appendFile(text);
    } catch {
      // The disk is full or away; the log itself tells that.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    const handle = await this.#handle?.catch(() => undefined);
    await handle?.close().catch(() => undefined);
  }
}

export interface TimeMark {
  readonly stream: StreamName;
  readonly offset: number;
  /** Milliseconds after the start of the run. */
  readonly ms: number;
}

/** The marks in order of writing; a torn last line is left out. */
export function parseTimes(text: string): {
  readonly marks: TimeMark[];
  readonly bases: Map<StreamName, number>;
} {
  const marks: TimeMark[] = [];
  const bases = new Map<StreamName, number>();
  for (const line of text.split("\n").slice(0, -1)) {
    const [letter = "", offset = "", ms = ""] = line.split(" ");
    const stream = letter.toLowerCase() === "o" ? "stdout" : "stderr";
    if (!/^[oeOE] \d+( \d+)?$/.test(line)) continue;
    if (letter === letter.toLowerCase()) marks.push({ stream, offset: Number(offset), ms: Number(ms) });
    else bases.set(stream, Number(offset));
  }
  return { marks, bases };
}
