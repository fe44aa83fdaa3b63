import { assertNever } from "../../errors.ts";

/** A whole HTTP answer. */
export interface WholeAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Whether the connection can carry another exchange. */
  readonly reusable: boolean;
  /** What came after the answer: the beginning of what a connection that was taken over carries. */
  readonly rest: Buffer;
}

type Phase =
  | { readonly kind: "head" }
  | { readonly kind: "body"; left: number; readonly chunked: boolean }
  | { readonly kind: "chunk-size" }
  /** The line break after a chunk. */
  | { readonly kind: "chunk-end" }
  | { readonly kind: "trailer" }
  | { readonly kind: "until-close" }
  | { readonly kind: "whole" };

const BREAK = "\r\n";
const LONGEST_HEAD = 65_536;
/** Lines that follow a body in chunks are of no use to us, but may not be endless. */
const LONGEST_LINE = 8_192;
const WITHOUT_BODY: ReadonlySet<number> = new Set([101, 204, 304]);

/**
 * Reads one answer of an HTTP/1.1 server, however its bytes are cut. What it does not understand it refuses: a guess
 * would take the next answer for a part of this one.
 */
export class AnswerParser {
  #rest: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #phase: Phase = { kind: "head" };
  #status = 0;
  #reusable = true;

  /** The answer once it is whole. */
  push(chunk: Buffer): WholeAnswer | undefined {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#phase.kind !== "whole") if (!this.#step()) return undefined;
    return this.#answer();
  }

  /** The answer when the end of the connection is also its own. */
  end(): WholeAnswer | undefined {
    if (this.#phase.kind !== "until-close") return undefined;
    return this.#answer();
  }

  #answer(): WholeAnswer {
    const body = Buffer.concat(this.#parts);
    return { status: this.#status, body, reusable: this.#reusable, rest: this.#rest };
  }

  /** False when more bytes are needed. */
  #step(): boolean {
    const phase = this.#phase;
    switch (phase.kind) {
      case "head":
        return this.#readHead();
      case "chunk-size":
        return this.#readChunkSize();
      case "chunk-end":
        return this.#readChunkEnd();
      case "trailer":
        return this.#readTrailer();
      case "until-close":
        this.#take(this.#rest.length);
        return false;
      case "whole":
        return false;
      case "body":
        return this.#readBody(phase);
      default:
        return assertNever(phase);
    }
  }

  #readBody(phase: Extract<Phase, { kind: "body" }>): boolean {
    phase.left -= this.#take(Math.min(phase.left, this.#rest.length));
    if (phase.left > 0) return false;
    this.#phase = { kind: phase.chunked ? "chunk-end" : "whole" };
    return true;
  }

  #take(length: number): number {
    if (length > 0) this.#parts.push(this.#rest.subarray(0, length));
    this.#rest = this.#rest.subarray(length);
    return length;
  }

  /** Up to and without the separator, which is dropped; undefined while it has not come. */
  #until(separator: string, longest: number): string | undefined {
    const end = this.#rest.indexOf(separator);
    if (end > longest || (end < 0 && this.#rest.length > longest)) throw refused("a line is too long");
    if (end < 0) return undefined;
    const text = this.#rest.toString("latin1", 0, end);
    this.#rest = this.#rest.subarray(end + separator.length);
    return text;
  }

  #readHead(): boolean {
    const head = this.#until(BREAK + BREAK, LONGEST_HEAD);
    if (head === undefined) return false;
    const [first = "", ...lines] = head.split(BREAK);
    const [, minor, code] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first) ?? [];
    if (code === undefined) throw refused("it does not speak HTTP");
    this.#status = Number(code);
    // Only announces the answer proper.
    if (this.#status < 200 && this.#status !== 101) return true;
    const fields = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.#reusable = minor === "1" && fields.get("connection")?.toLowerCase() !== "close";
    this.#phase = bodyPhase(this.#status, fields);
    return true;
  }

  #readChunkSize(): boolean {
    const line = this.#until(BREAK, LONGEST_LINE);
    if (line === undefined) return false;
    const [, digits] = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?$/.exec(line) ?? [];
    if (digits === undefined) throw refused("a chunk has no size");
    const size = Number.parseInt(digits, 16);
    this.#phase = size === 0 ? { kind: "trailer" } : { kind: "body", left: size, chunked: true };
    return true;
  }

  #readChunkEnd(): boolean {
    if (this.#rest.length < BREAK.length) return false;
    if (this.#until(BREAK, 0) === undefined) throw refused("a chunk is longer than its size");
    this.#phase = { kind: "chunk-size" };
    return true;
  }

  #readTrailer(): boolean {
    const line = this.#until(BREAK, LONGEST_LINE);
    if (line === "") this.#phase = { kind: "whole" };
    return line !== undefined;
  }
}

function bodyPhase(status: number, fields: ReadonlyMap<string, string>): Phase {
  if (WITHOUT_BODY.has(status)) return { kind: "whole" };
  const coding = fields.get("transfer-encoding")?.toLowerCase();
  if (coding !== undefined && coding !== "chunked") throw refused(`it sends its answer as ${coding}`);
  if (coding === "chunked") return { kind: "chunk-size" };
  const length = fields.get("content-length");
  if (length === undefined) return { kind: "until-close" };
  if (!/^\d{1,15}$/.test(length)) throw refused("its answer has no proper length");
  const left = Number(length);
  return left === 0 ? { kind: "whole" } : { kind: "body", left, chunked: false };
}

function refused(why: string): Error {
  return Object.assign(new Error(`the engine's answer cannot be read: ${why}`), { code: "HPE_INVALID" });
}
