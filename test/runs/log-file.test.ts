import { existsSync, symlinkSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { earlierPart, LogFile } from "../../src/runs/log-file.ts";
import { readLogState } from "../../src/runs/read-log.ts";
import { TimeFile, TimeIndex } from "../../src/runs/time-index.ts";
import { temporaryFolder } from "../support/fleet-text.ts";

function logIn(folder: string, limit: number): { readonly log: LogFile; readonly times: TimeFile } {
  const times = new TimeFile(join(folder, "times.idx"), () => 0);
  return { times, log: new LogFile(join(folder, "stdout.log"), limit, new TimeIndex(times, "stdout")) };
}

async function contentOf(path: string): Promise<Buffer> {
  return existsSync(path) ? await readFile(path) : Buffer.alloc(0);
}

describe("a log", () => {
  it("keeps the end of what was written, in order, within its limit", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 30 }),
        fc.integer({ min: 2, max: 200 }),
        async (chunks, limit) => {
          const folder = temporaryFolder();
          const { log, times } = logIn(folder, limit);
          for (const chunk of chunks) {
            log.append(Buffer.from(chunk));
            await log.room;
          }
          await log[Symbol.asyncDispose]();
          await times[Symbol.asyncDispose]();
          const all = Buffer.concat(chunks);
          const path = join(folder, "stdout.log");
          const kept = Buffer.concat([await contentOf(earlierPart(path)), await contentOf(path)]);
          const { bytes, dropped, lost, error } = log.told;
          expect({ bytes, lost, error }).toEqual({ bytes: all.length, lost: 0, error: null });
          expect(kept.equals(all.subarray(dropped))).toBe(true);
          expect(kept.length).toBeLessThanOrEqual(limit);
          expect(kept.length).toBeGreaterThanOrEqual(Math.min(all.length, Math.floor(limit / 2)));
          // What the files say of themselves is the same: a killed process tells nothing.
          expect(await readLogState(folder, "stdout")).toEqual(log.told);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("has no file before the first byte", async () => {
    const folder = temporaryFolder();
    const { log, times } = logIn(folder, 100);
    log.append(Buffer.alloc(0));
    await log[Symbol.asyncDispose]();
    await times[Symbol.asyncDispose]();
    expect(existsSync(join(folder, "stdout.log"))).toBe(false);
  });

  it("makes its writer wait when the disk is slower, and takes everything", async () => {
    const folder = temporaryFolder();
    const { log, times } = logIn(folder, 2 ** 30);
    const chunk = Buffer.alloc(64 * 1024, "x");
    let waited = 0;
    for (let written = 0; written < 1024; written += 1) {
      log.append(chunk);
      if (log.room !== undefined) waited += 1;
      await log.room;
    }
    await log[Symbol.asyncDispose]();
    await times[Symbol.asyncDispose]();
    expect(waited).toBeGreaterThan(0);
    expect((await stat(join(folder, "stdout.log"))).size).toBe(1024 * chunk.length);
  });

  it("ends on a full disk, and counts what is lost", async () => {
    const folder = temporaryFolder();
    symlinkSync("/dev/full", join(folder, "stdout.log"));
    const { log, times } = logIn(folder, 1000);
    log.append(Buffer.from("first"));
    await log[Symbol.asyncDispose]();
    await times[Symbol.asyncDispose]();
    log.append(Buffer.from("second"));
    expect(log.told).toEqual({ bytes: 11, dropped: 0, lost: 11, error: "ENOSPC" });
  });
});
