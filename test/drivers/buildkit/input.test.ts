import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takeInput } from "../../../src/drivers/buildkit/input.ts";

describe("a command's input", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sandkeep-input-"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));
  const take = (chunks: readonly Buffer[]) =>
    takeInput(Readable.from(chunks), dir, new AbortController().signal);

  it("is in parts that a secret can hold, for this user alone, whatever it arrives in", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 700_000 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(sizes, async (each) => {
        const chunks = each.map((size, nth) => Buffer.alloc(size, nth + 1));
        const names = await take(chunks);
        const parts = await Promise.all(names.map((name) => readFile(join(dir, name))));
        expect(Buffer.concat(parts).equals(Buffer.concat(chunks))).toBe(true);
        expect(parts.every(({ length }) => length > 0 && length <= 500 * 1024)).toBe(true);
        for (const name of names) expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
      }),
      { numRuns: 20 },
    );
  });

  it("is refused beyond what a worker is given to hold", async () => {
    const chunk = Buffer.alloc(1024 * 1024);
    expect(await take(Array<Buffer>(15).fill(chunk))).toHaveLength(32);
    await expect(take(Array<Buffer>(16).fill(chunk))).rejects.toMatchObject({
      code: "BUILDKIT_INPUT_TOO_LONG",
      kind: "terminal",
    });
  });

  it("is waited for only until somebody asks for the command's end", async () => {
    const stop = new AbortController();
    const taken = takeInput(new PassThrough(), dir, stop.signal);
    stop.abort();
    await expect(taken).rejects.toMatchObject({ name: "AbortError" });
  });
});
