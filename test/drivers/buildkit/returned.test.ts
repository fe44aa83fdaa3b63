import { mkdir, readFile, readdir, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { takeBaseline } from "../../../src/drivers/buildkit/baseline.ts";
import type { Returned } from "../../../src/drivers/buildkit/returned.ts";
import { readReturned } from "../../../src/drivers/buildkit/returned.ts";
import { bringBack } from "../../../src/runs/bring-back.ts";
import type { ArchiveEntry } from "../../support/archive.ts";
import { archive } from "../../support/archive.ts";
import { temporaryFolder } from "../../support/fleet-text.ts";

// What a worker sends back, from one that does what it can to reach this machine's files.

interface Desk {
  readonly workspace: string;
  readonly outside: string;
  readonly folder: string;
}

async function desk(): Promise<Desk> {
  const base = temporaryFolder();
  const [workspace, outside, folder] = ["workspace", "outside", "changed"].map((name) => join(base, name));
  if (workspace === undefined || outside === undefined || folder === undefined)
    throw new Error("unreachable");
  await mkdir(workspace);
  await mkdir(outside);
  await writeFile(join(workspace, "keep.txt"), "keep");
  await writeFile(join(outside, "secret"), "of this machine");
  return { workspace, outside, folder };
}

async function returned(at: Desk, ...entries: readonly ArchiveEntry[]): Promise<Returned["changes"]> {
  const { workspace: source, folder } = at;
  const baseline = await takeBaseline(source);
  const code = { path: ".sandkeep/code", body: "0\n" };
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const to = { source, baseline, hidden: [], folder, stdout, stderr };
  const { changes, exitCode } = await readReturned(archive(code, ...entries), to);
  expect(exitCode).toBe(0);
  await bringBack(source, changes);
  return changes;
}

describe("what a worker returns", () => {
  it.each([
    ["1\n", true],
    ["0\n", false],
    ["", false],
  ])("tells from %j whether memory ran out", async (body, outOfMemory) => {
    const { workspace: source, folder } = await desk();
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const to = { source, baseline: new Map(), hidden: [], folder, stdout, stderr };
    const entries = [
      { path: ".sandkeep/code", body: "137\n" },
      { path: ".sandkeep/oom", body },
    ];
    expect(await readReturned(archive(...entries), to)).toMatchObject({ exitCode: 137, outOfMemory });
  });

  it("is files, their second names, and links, wherever those lead", async () => {
    const at = await desk();
    const { skipped } = await returned(
      at,
      { path: "tree/keep.txt", body: "keep" },
      { path: "tree/sub/", type: "Directory", mode: 0o755 },
      { path: "tree/sub/new", body: "new" },
      { path: "tree/sub/second", type: "Link", linkpath: "tree/sub/new" },
      { path: "tree/kept", type: "Link", linkpath: "tree/keep.txt" },
      { path: "tree/link", type: "SymbolicLink", linkpath: "../outside" },
    );
    expect(skipped).toEqual([]);
    expect(await readFile(join(at.workspace, "sub/second"), "utf8")).toBe("new");
    expect(await readFile(join(at.workspace, "kept"), "utf8")).toBe("keep");
    expect(await readlink(join(at.workspace, "link"))).toBe("../outside");
  });

  it("takes no file of this machine for a second name", async () => {
    const at = await desk();
    await symlink(at.outside, join(at.workspace, "away"));
    const targets = [
      "../outside/secret",
      "tree/../../outside/secret",
      join(at.outside, "secret"),
      "away/secret",
    ];
    const links = targets.map(
      (linkpath, nth) => ({ path: `tree/got-${nth}`, type: "Link", linkpath }) as const,
    );
    const away = { path: "tree/away", type: "SymbolicLink", linkpath: at.outside } as const;
    const { skipped } = await returned(at, { path: "tree/keep.txt", body: "keep" }, away, ...links);
    expect(skipped).toEqual(["got-0", "got-1", "got-2", "got-3"]);
    expect((await readdir(at.workspace)).toSorted()).toEqual(["away", "keep.txt"]);
  });

  it("is written through no link that came before it, or comes after", async () => {
    const at = await desk();
    const to = (path: string, linkpath: string) => ({ path, type: "SymbolicLink", linkpath }) as const;
    await returned(
      at,
      { path: "tree/keep.txt", body: "keep" },
      to("tree/a", at.outside),
      { path: "tree/a/file", body: "planted" },
      { path: "tree/a/folder/", type: "Directory", mode: 0o755 },
      { path: "tree/a/second", type: "Link", linkpath: "tree/keep.txt" },
      to("tree/b", at.outside),
      to("tree/b/link", "/nowhere"),
      to("tree/c", join(at.outside, "secret")),
      { path: "tree/c", body: "planted" },
    );
    expect(await readdir(at.outside)).toEqual(["secret"]);
    expect(await readFile(join(at.outside, "secret"), "utf8")).toBe("of this machine");
  });

  it("has no name that leads out", async () => {
    const at = await desk();
    const names = ["tree/../up", "tree/a/../../up", "tree//outside/up", "tree/./up"];
    const { changed } = await returned(at, ...names.map((path) => ({ path, body: "planted" })));
    expect(changed).toEqual([]);
  });
});
