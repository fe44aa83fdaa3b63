import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { create, list } from "tar";
import { describe, expect, test } from "vitest";
import { archive } from "../../support/archive.ts";
import { bench, make, run, sh } from "./fixture.ts";

async function entriesOf(stream: Readable): Promise<readonly string[]> {
  const found: string[] = [];
  const parser = list({ onReadEntry: (entry) => found.push(entry.path) });
  parser.end(await buffer(stream));
  return found.map((each) => each.replace(/\/$/, "")).toSorted();
}

describe("files", () => {
  test("go into workspace, home and tmp, and come out again", async () => {
    await using on = await bench();
    const id = await make(on);
    await on.driver.putFiles(id, "/workspace/sub", archive({ path: "a/b.txt", body: "hello" }));
    expect(await readFile(join(on.workspace, "sub/a/b.txt"), "utf8")).toBe("hello");
    await on.driver.putFiles(id, "/tmp", archive({ path: "t", body: "tmp" }));
    await on.driver.putFiles(id, "/home/sandbox", archive({ path: "h", body: "home" }));
    expect((await run(on, id, sh('cat "$TMPDIR/t" "$HOME/h"'))).out).toBe("tmphome");
    expect(await entriesOf(await on.driver.getFiles(id, "/workspace/sub"))).toEqual([
      "sub",
      "sub/a",
      "sub/a/b.txt",
    ]);
    expect(await entriesOf(await on.driver.getFiles(id, "/workspace/sub/a/b.txt"))).toEqual(["b.txt"]);
    expect(await entriesOf(await on.driver.getFiles(id, "/workspace"))).toEqual([
      "workspace",
      "workspace/sub",
      "workspace/sub/a",
      "workspace/sub/a/b.txt",
    ]);
  });

  test("make a round trip between two runtimes", async () => {
    await using on = await bench();
    const from = await make(on, { workspace: { access: "none", provider: "own" } });
    const to = await make(on, { workspace: { access: "none", provider: "own" } }, "other");
    await run(on, from, sh("mkdir d; echo x > d/x; ln -s x d/link; chmod 755 d/x"));
    await on.driver.putFiles(to, "/workspace", await on.driver.getFiles(from, "/workspace/d"));
    expect((await run(on, to, sh("cat d/link; test -x d/x && echo exec; readlink d/link"))).out).toBe(
      "x\nexec\nx\n",
    );
  });

  test.each([
    ["climbs out", { path: "../../escaped" }],
    ["is absolute", { path: "/tmp/escaped-by-tar" }],
    ["links out", { path: "link", type: "SymbolicLink", linkpath: "../../.." }],
    ["links to an absolute path", { path: "link", type: "SymbolicLink", linkpath: "/etc/passwd" }],
    ["hard-links out", { path: "link", type: "Link", linkpath: "../../secret" }],
  ] as const)("an archive whose entry %s is refused", async (_what, entry) => {
    await using on = await bench();
    const id = await make(on);
    await writeFile(join(on.base, "secret"), "s");
    await expect(
      on.driver.putFiles(
        id,
        "/workspace",
        archive({ ...entry, ...(entry.path === "link" ? {} : { body: "x" }) }),
      ),
    ).rejects.toMatchObject({ code: "LOCAL_PATH_REFUSED" });
    expect((await readdir(on.base)).toSorted()).toEqual(["project", "secret", "state"]);
    expect(await readdir(on.workspace)).not.toContain("link");
  });

  test("an archive never writes through a link that lies in its way", async () => {
    await using on = await bench();
    const id = await make(on);
    await mkdir(join(on.base, "outside"));
    await symlink(join(on.base, "outside"), join(on.workspace, "out"));
    await expect(
      on.driver.putFiles(id, "/workspace", archive({ path: "out/x", body: "x" })),
    ).rejects.toThrow();
    await expect(
      on.driver.putFiles(id, "/workspace/out", archive({ path: "x", body: "x" })),
    ).rejects.toMatchObject({ code: "LOCAL_PATH_REFUSED" });
    await expect(on.driver.getFiles(id, "/workspace/out/x")).rejects.toMatchObject({
      code: "LOCAL_PATH_REFUSED",
    });
    expect(await readdir(join(on.base, "outside"))).toEqual([]);
  });

  test("other paths, missing ones and a read-only workspace are refused", async () => {
    await using on = await bench();
    const id = await make(on, { workspace: { access: "ro" }, local: { isolation: "bubblewrap" } });
    await expect(on.driver.getFiles(id, "/etc/passwd")).rejects.toMatchObject({ kind: "denied" });
    await expect(on.driver.getFiles(id, "/workspace/../etc")).rejects.toMatchObject({ kind: "denied" });
    await expect(on.driver.getFiles(id, "/workspace/none")).rejects.toMatchObject({ kind: "not-found" });
    await expect(on.driver.putFiles(id, "/workspace", archive({ path: "x" }))).rejects.toMatchObject({
      kind: "denied",
    });
  });

  test("a torn archive is an error", async () => {
    await using on = await bench();
    const id = await make(on);
    await writeFile(join(on.base, "big"), "x".repeat(5000));
    const whole = await buffer(create({ cwd: on.base }, ["big"]));
    await expect(
      on.driver.putFiles(id, "/workspace", Readable.from([whole.subarray(0, 2000)])),
    ).rejects.toThrow();
  });
});
