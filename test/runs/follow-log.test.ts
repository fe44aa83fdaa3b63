import type * as fs from "node:fs/promises";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { followLog } from "../../src/runs/follow-log.ts";
import { logPath } from "../../src/runs/layout.ts";
import { earlierPart } from "../../src/runs/log-file.ts";
import { temporaryFolder } from "../support/fleet-text.ts";

// What a writer does right before a follower's n-th look at a file, so that every moment in between can be struck.
const between = vi.hoisted(() => ({ stat: new Map<string, () => Promise<void>>() }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof fs>();
  const stat = async (path: string): Promise<unknown> => {
    const strike = between.stat.get(path);
    between.stat.delete(path);
    await strike?.();
    return await real.stat(path);
  };
  return { ...real, stat };
});

beforeEach(() => between.stat.clear());

async function followed(folder: string): Promise<string> {
  const chunks: Buffer[] = [];
  let looks = 0;
  const over = (): boolean => (looks += 1) > 6;
  const { signal } = new AbortController();
  for await (const chunk of followLog(folder, "stdout", { from: "start", over, signal })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("following a log", () => {
  it("loses nothing that was written between its last read and the turn", async () => {
    const folder = temporaryFolder();
    const path = logPath(folder, "stdout");
    await writeFile(path, "one ");
    between.stat.set(path, async () => {
      await appendFile(path, "two ");
      await rename(path, earlierPart(path));
      await writeFile(path, "three");
    });
    expect(await followed(folder)).toBe("one two three");
  });

  it("begins with the earlier part, and shows no part twice", async () => {
    const folder = temporaryFolder();
    const path = logPath(folder, "stdout");
    await writeFile(earlierPart(path), "one ");
    await writeFile(path, "two");
    expect(await followed(folder)).toBe("one two");
    await rename(path, join(folder, "stdout.log.1"));
    expect(await followed(folder)).toBe("two");
  });
});
