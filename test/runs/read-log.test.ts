import { appendFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { followLog } from "../../src/runs/follow-log.ts";
import { lastLines } from "../../src/runs/inspect-run.ts";
import { latestLog } from "../../src/runs/read-log.ts";
import { temporaryFolder } from "../support/fleet-text.ts";

async function files(content: Readonly<Record<string, string>>): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(content)) await writeFile(join(folder, name), text);
  return folder;
}

describe("the last lines of a run", () => {
  it("stand in the order in which they came, whichever stream they came by", async () => {
    const folder = await files({
      "stdout.log": "one\ntwo\nthree\n",
      "stderr.log": "oops\nalas",
      "times.idx": "o 0 0\ne 0 100\no 4 200\ne 5 300\no 8 400\no 9",
    });
    const lines = await lastLines(folder, 10);
    expect(lines.map(({ ms, text }) => [ms, text])).toEqual([
      [0, "one"],
      [100, "oops"],
      [200, "two"],
      [300, "alas"],
      [400, "three"],
    ]);
    expect((await lastLines(folder, 2)).map((each) => each.text)).toEqual(["alas", "three"]);
    expect((await lastLines(folder, 2, ["stdout"])).map((each) => each.text)).toEqual(["two", "three"]);
    expect(await lastLines(folder, 0)).toEqual([]);
  });

  it("go on into the earlier part, with the times of what came there", async () => {
    const folder = await files({
      "stdout.log.1": "b\nc\n",
      "stdout.log": "d\ne\n",
      "times.idx": "o 0 1\no 2 2\no 4 3\nO 6\no 6 4\no 8 5\n",
    });
    expect((await lastLines(folder, 9)).map(({ ms, text }) => `${ms} ${text}`)).toEqual([
      "2 b",
      "3 c",
      "4 d",
      "5 e",
    ]);
    expect((await lastLines(folder, 3)).map((each) => each.text)).toEqual(["c", "d", "e"]);
  });

  it("are found at the end of much, without reading all of it", async () => {
    const folder = await files({ "stdout.log": "x\n".repeat(5_000_000) + "end\n" });
    expect((await lastLines(folder, 2)).map((each) => each.text)).toEqual(["x", "end"]);
  });

  it("are none where nothing was said, and then there is no log", async () => {
    const folder = await files({});
    expect(await lastLines(folder, 5)).toEqual([]);
    expect(await latestLog(folder)).toBeNull();
    await writeFile(join(folder, "stdout.log"), "x");
    await writeFile(join(folder, "stderr.log"), "");
    expect(await latestLog(folder)).toBe(join(folder, "stdout.log"));
  });
});

describe("following a log", () => {
  it("hands on everything, from before it began into the next file, until it is over", async () => {
    const folder = await files({ "stdout.log.1": "first ", "stdout.log": "second " });
    const path = join(folder, "stdout.log");
    let over = false;
    let heard = "";
    const options = { from: "start" as const, over: () => over, signal: new AbortController().signal };
    const steps = [
      async () => appendFile(path, "third "),
      async () => {
        await appendFile(path, "fourth ");
        await rename(path, `${path}.1`);
        await writeFile(path, "fifth ");
      },
      async () => {
        over = true;
        await appendFile(path, "sixth");
      },
    ];
    const ends = ["second ", "third ", "fifth "];
    for await (const bytes of followLog(folder, "stdout", options)) {
      heard += bytes.toString();
      if (ends[0] !== undefined && heard.endsWith(ends[0])) {
        ends.shift();
        await steps.shift()?.();
      }
    }
    expect(heard).toBe("first second third fourth fifth sixth");
  });

  it("waits for a file that is not there yet, and ends when it is told to", async () => {
    const folder = await files({});
    const abort = new AbortController();
    const following = followLog(folder, "stderr", { from: 0, over: () => false, signal: abort.signal });
    const first = following.next();
    await writeFile(join(folder, "stderr.log"), "late");
    expect((await first).value?.toString()).toBe("late");
    abort.abort();
    expect(await following.next()).toEqual({ done: true, value: undefined });
  });
});
