/**
 * In: what a client says while it works. Out: what the worker said of a failure, and what else was said. Progress is JSON,
 * one object a line or spread over many, with other lines in between: so it is read as objects, not as lines. Older clients
 * tell it as lines, each with the number of its step. Results are never taken from it, since workers clip it.
 */
import * as z from "zod";

const objectSchema = z.object({
  vertexes: z
    .array(
      z.object({
        name: z.string().default(""),
        error: z.string().default(""),
        started: z.string().nullish(),
      }),
    )
    .nullish(),
  logs: z.array(z.object({ data: z.string().default("") })).nullish(),
});

/** Bytes of other lines that are kept, from their end. */
const KEPT_TEXT = 8_000;
const KEPT_LOG = 2_000;
/** What is no object of progress for so long is text that happens to begin with a brace. */
const LONGEST_OBJECT = 8 * 1024 * 1024;

/** A step that came to no good end, with all that was said of it. */
interface Failed {
  readonly name: string;
  readonly error: string;
}

export class Progress {
  #text = "";
  #rest = "";
  #failures: Failed[] = [];
  #log = "";
  /** The end of a line that is still to come. */
  #line = "";
  /** Steps by the number that lines begin with. */
  readonly #numbered = new Map<string, string>();
  readonly #begun = new Set<string>();

  push(chunk: string): void {
    this.#rest += chunk;
    for (;;) {
      const start = objectStart(this.#rest);
      if (start > 0) this.#keep(this.#rest.slice(0, start));
      this.#rest = this.#rest.slice(start);
      const end = this.#rest.startsWith("{") ? objectEnd(this.#rest) : -1;
      if (end < 0) break;
      if (this.#take(this.#rest.slice(0, end))) {
        this.#rest = this.#rest.slice(end);
        continue;
      }
      // Other text that begins with a brace: only its own line.
      const line = this.#rest.indexOf("\n") + 1 || this.#rest.length;
      this.#keep(this.#rest.slice(0, line));
      this.#rest = this.#rest.slice(line);
    }
    if (this.#rest.length > LONGEST_OBJECT) {
      this.#keep(this.#rest);
      this.#rest = "";
    }
  }

  /** The worker's own word of what failed, else the last of what the client said; empty when nothing was. */
  failure(): string {
    const failed = this.failed;
    const step = failed === undefined ? undefined : told(failed);
    const lines = `${this.#text}${this.#rest}`.split("\n").map((line) => line.trim());
    const last = lines.findLast((line) => line !== "")?.replace(/^(?:ERROR|error): /, "") ?? "";
    // What a command was cancelled by is no more than that it was cancelled.
    return step !== undefined && (last === "" || /failed to solve/.test(last)) ? step : last;
  }

  /** Whether a step whose name holds this has begun. */
  hasBegun(part: string): boolean {
    return [...this.#begun].some((name) => name.includes(part));
  }

  get failed(): Failed | undefined {
    return this.#failures.at(-1);
  }

  /** The end of what the steps before the command wrote. */
  get log(): string {
    return this.#log.trim();
  }

  #take(text: string): boolean {
    const parsed = objectSchema.safeParse(parseJson(text));
    if (!parsed.success) return false;
    for (const { data } of parsed.data.logs ?? []) {
      this.#wrote(Buffer.from(data, "base64").toString());
    }
    for (const { error, name, started } of parsed.data.vertexes ?? []) {
      if (started) this.#begun.add(name);
      if (error !== "") this.#failures.push({ name, error });
    }
    return true;
  }

  #wrote(text: string): void {
    this.#log = (this.#log + text).slice(-KEPT_LOG);
  }

  #keep(text: string): void {
    this.#text = (this.#text + text).slice(-KEPT_TEXT);
    const lines = (this.#line + text).split("\n");
    this.#line = (lines.pop() ?? "").slice(0, LONGEST_OBJECT);
    for (const line of lines) this.#takeLine(line);
  }

  #takeLine(line: string): void {
    const [, number = "", said = ""] = /^#(\d+) (.*)$/.exec(line) ?? [];
    const [, error] = /^ERROR: (.*)$/.exec(said) ?? [];
    const [, written] = /^\d+\.\d+ (.*)$/.exec(said) ?? [];
    if (error !== undefined) this.#failures.push({ name: this.#numbered.get(number) ?? "", error });
    else if (written !== undefined) this.#wrote(`${written}\n`);
    else if (said.startsWith("[")) {
      this.#numbered.set(number, said);
      this.#begun.add(said);
    }
  }
}

function told({ name, error }: Failed): string {
  return name === "" ? firstWords(error) : `${firstWords(name)}: ${lastWords(error)}`;
}

/** A step's name holds its whole text, and so does its error, before what went wrong. */
function firstWords(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function lastWords(text: string): string {
  return text.length > 400 ? `…${text.slice(-400)}` : text;
}

/** Index of the first brace that begins a line; the length of the text when there is none. */
function objectStart(text: string): number {
  if (text.startsWith("{")) return 0;
  const found = text.indexOf("\n{");
  return found < 0 ? text.length : found + 1;
}

/** Index after the brace that closes the first; -1 when it is not there yet. */
function objectEnd(text: string): number {
  let depth = 0;
  let inText = false;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (inText) {
      if (char === "\\") index += 1;
      else if (char === '"') inText = false;
    } else if (char === '"') inText = true;
    else if (char === "{") depth += 1;
    else if (char === "}") {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
  return -1;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
