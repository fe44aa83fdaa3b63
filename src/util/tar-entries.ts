import { once } from "node:events";
import type { Readable } from "node:stream";
import type { ReadEntry } from "tar";
import { SandkeepError, toError } from "../errors.ts";

/** Reads an entry, or lets it pass; `enough` when nothing after it matters. */
export type TakeEntry = (entry: ReadEntry) => Promise<"more" | "enough">;

const BLOCK = 512;

/**
 * The entries of a tar stream, one at a time and no faster than they are taken. Rejects when the stream ends before its
 * archive does: what an engine stopped sending half-way must not look complete.
 */
export async function eachEntry(tar: Readable, what: string, take: TakeEntry): Promise<void> {
  const { Parser } = await import("tar");
  let halt: (() => void) | undefined;
  const halted = new Promise<void>((resolve) => (halt = resolve));
  let outcome: "more" | "enough" | Error = "more";
  const settle = (end: "enough" | Error): void => {
    if (outcome === "more") outcome = end;
    halt?.();
  };
  const work = async (entry: ReadEntry): Promise<void> => {
    try {
      if (outcome !== "more") entry.resume();
      else if ((await take(entry)) === "enough") settle("enough");
    } catch (thrown) {
      settle(toError(thrown));
    }
  };
  let last: Promise<void> = Promise.resolve();
  // An entry is read to its end before what was read of it is written: the next one has to wait for that.
  const inTurn = async (before: Promise<void>, entry: ReadEntry): Promise<void> => {
    await before;
    await work(entry);
  };
  const parser = new Parser({ strict: true, onReadEntry: (entry) => void (last = inTurn(last, entry)) });
  parser.on("error", (thrown: unknown) => settle(toError(thrown)));
  const ended = once(parser, "end").catch(() => undefined);
  const state = (): "more" | "enough" | Error => outcome;
  let tail: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of tar) {
      const bytes = Buffer.from(chunk);
      tail = Buffer.concat([tail, bytes.subarray(-BLOCK)]).subarray(-BLOCK);
      // An entry that ended just now tells of no room: that it was taken says the same.
      if (!parser.write(bytes)) await Promise.race([once(parser, "drain"), last, halted]);
      if (state() !== "more") break;
    }
    if (state() === "more") {
      parser.end();
      await Promise.race([ended, halted]);
      await last;
    }
  } finally {
    tar.destroy();
  }
  const end = state();
  if (end instanceof Error) throw end;
  if (end === "more" && (tail.length < BLOCK || tail.some((byte) => byte !== 0))) throw cut(what);
}

function cut(what: string): SandkeepError {
  return new SandkeepError(`the archive of ${what} was cut off`, {
    code: "ARCHIVE_CUT",
    kind: "transient",
    blame: "backend",
    hint: "try again",
  });
}
