// The state directory is no part of what a build is sent and brings back; nor are lists without end.
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeBaseline } from "../../../src/drivers/buildkit/baseline.ts";
import { hiddenOf, ignorePattern } from "../../../src/drivers/buildkit/hidden.ts";
import type { Returned } from "../../../src/drivers/buildkit/returned.ts";
import { readReturned } from "../../../src/drivers/buildkit/returned.ts";
import type { ArchiveEntry } from "../../support/archive.ts";
import { archive } from "../../support/archive.ts";

const MIB = 1024 * 1024;
const folder = (path: string): ArchiveEntry => ({ path: `tree/${path}/`, type: "Directory", mode: 0o755 });
const file = (path: string): ArchiveEntry => ({ path: `tree/${path}`, body: "made\n" });
const second = (path: string, to: string): ArchiveEntry => ({
  path: `tree/${path}`,
  type: "Link",
  linkpath: `tree/${to}`,
});
const ended: ArchiveEntry = { path: ".sandkeep/code", body: "0\n" };
const before = (...paths: readonly string[]): ArchiveEntry => ({
  path: ".sandkeep/before",
  body: paths.map((path) => `./${path}\0`).join(""),
});

describe("what comes back of a build", () => {
  let dir = "";
  let work = "";
  beforeEach(async () => {
    dir = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-returned-")));
    work = join(dir, "work");
    await mkdir(join(work, ".state", "fleets"), { recursive: true });
    await mkdir(join(dir, "changed"));
    await writeFile(join(work, ".state", "fleets", "holds.json"), "ours\n");
    await writeFile(join(work, "keep.txt"), "kept\n");
  });
  afterEach(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

  async function read(stateDir: string, ...made: readonly ArchiveEntry[]): Promise<Returned> {
    const [stdout, stderr] = [new PassThrough().resume(), new PassThrough().resume()];
    return await readReturned(archive(...made), {
      source: work,
      baseline: await takeBaseline(work),
      hidden: (await hiddenOf(work, stateDir)).returned,
      folder: join(dir, "changed"),
      stdout,
      stderr,
    });
  }
  const paths = ({ changes }: Returned): string[] => changes.changed.map(({ path }) => path);

  it("has nothing of the state directory, made, changed, linked or deleted, and all that is beside it", async () => {
    const back = await read(
      join(work, ".state"),
      before(".state", ".state/fleets", ".state/fleets/holds.json", "keep.txt"),
      folder(".state"),
      folder(".state/fleets"),
      folder(".state/fleets/x"),
      file(".state/fleets/x/holds.json"),
      file(".state/new"),
      file(".STATE/new"),
      file(".states"),
      second("copy", ".state/new"),
      ended,
    );
    expect(back.exitCode).toBe(0);
    expect(paths(back)).toEqual([".states"]);
    expect(back.changes.deleted).toEqual(["keep.txt"]);
    expect(back.changes.skipped).toEqual(["copy"]);
  });

  it("leaves what leads to the state directory as it is", async () => {
    const back = await read(
      join(work, ".state", "fleets"),
      before(".state", ".state/fleets", ".state/fleets/holds.json"),
      file(".state"),
      ended,
    );
    expect([paths(back), back.changes.deleted]).toEqual([[], []]);
  });

  it("knows a state directory that is reached through links, and one that is still to be made", async () => {
    await symlink(work, join(dir, "way"));
    expect(await hiddenOf(work, join(dir, "way", ".state"))).toMatchObject({ sent: ".state" });
    expect(await hiddenOf(join(dir, "way"), join(work, ".state"))).toMatchObject({ sent: ".state" });
    expect(await hiddenOf(work, join(dir, "way", "to", "be"))).toMatchObject({ sent: "to/be" });
    expect(await hiddenOf(work, join(work, "..state"))).toMatchObject({ sent: "..state" });
    expect(await hiddenOf(work, join(dir, "other"))).toEqual({ sent: undefined, returned: [] });
    // What is really elsewhere is not sent, and the link to it stays ours.
    await symlink(dir, join(work, "out"));
    const away = await hiddenOf(work, join(work, "out", "state"));
    expect(away).toEqual({ sent: undefined, returned: ["out/state"] });
    const back = await read(join(work, "out", "state"), folder("out"), file("out/state/x"), ended);
    expect(paths(back)).toEqual([]);
  });

  it("is refused when the command made its lists longer than any", async () => {
    const code = { path: ".sandkeep/code", body: "0\n".repeat(20) };
    await expect(read(dir, code)).rejects.toMatchObject({ code: "BUILDKIT_FAILED" });
    const long = { path: ".sandkeep/before", body: "x".repeat(64 * MIB + 1) };
    await expect(read(join(dir, "state"), long, ended)).rejects.toThrow(/before\) is too long/);
  });

  it("names the state directory in a line that stands for nothing else", () => {
    expect(ignorePattern("a/[b]*")).toBe("/a/\\[b\\]\\*");
    expect(ignorePattern("a b\nc ")).toBe("/a b?c?");
  });
});
