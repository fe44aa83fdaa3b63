import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { Header } from "tar";
import { describe, expect, it, test } from "vitest";
import { extractBundle, insideTarget } from "../../src/state/bundle-extract.ts";
import type { Bundle } from "../../src/state/bundles.ts";
import {
  findBundle,
  finishBundle,
  listBundles,
  outlived,
  removeBundle,
  stageBundle,
  sweepBundles,
} from "../../src/state/bundles.ts";
import type { FleetState } from "../../src/state/directory.ts";
import { fleetState } from "../../src/state/directory.ts";
import { temporaryDirectory } from "./temporary.ts";

const NOW = Date.UTC(2030, 0, 1);
const END = Buffer.alloc(1024);

interface Made {
  readonly path: string;
  readonly type?: "File" | "Directory" | "SymbolicLink" | "Link";
  readonly mode?: number;
  readonly linkpath?: string;
  readonly content?: string;
}

function tarOf(entries: readonly Made[]): Buffer {
  const blocks = entries.flatMap(({ path, type = "File", mode = 0o644, linkpath, content = "" }) => {
    const body = Buffer.from(content);
    const link = linkpath === undefined ? {} : { linkpath };
    const header = new Header({ path, type, mode, size: body.length, mtime: new Date(NOW), ...link });
    const block = Buffer.alloc(512);
    header.encode(block);
    return [block, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, END]);
}

async function fleet(): Promise<FleetState> {
  return fleetState(await temporaryDirectory(), "team");
}

async function bundle(
  state: FleetState,
  more: { entries?: readonly Made[]; address?: string; object?: string; now?: number } = {},
): Promise<Bundle> {
  const {
    entries = [{ path: "root/a", content: "a" }],
    address = "agent/work",
    object = "abcdef0123456789",
    now = NOW,
  } = more;
  const staged = await stageBundle(state);
  const tar = tarOf(entries);
  await writeFile(join(staged, "files.tar"), tar);
  const about = {
    fleet: "team",
    fleet_id: null,
    address,
    agent: "work",
    session: null,
    backend: "docker",
    host: "local",
    name: "team-work",
    object_id: object,
    spec_hash: null,
    why: "drift",
    files: entries.length,
    bytes: 1,
    tar: { bytes: tar.length, sha256: createHash("sha256").update(tar).digest("hex") },
    deleted: [],
    skipped: [],
  };
  return finishBundle(state, staged, about, now);
}

describe("bundles", () => {
  it("are listed newest first, found by the start of an id, and gone when removed", async () => {
    const state = await fleet();
    const first = await bundle(state);
    const second = await bundle(state, {
      address: "session/agent:work:pr-1",
      object: "0123456789abcdef",
      now: NOW + 1,
    });
    expect((await listBundles(state)).whole.map(({ manifest }) => manifest.id)).toEqual([
      "20300101T000000001Z-0123456789ab",
      "20300101T000000000Z-abcdef012345",
    ]);
    expect((await findBundle(state, "20300101T000000000")).path).toBe(first.path);
    await expect(findBundle(state, "2030")).rejects.toMatchObject({ code: "BUNDLE_UNKNOWN" });
    await expect(findBundle(state, "")).rejects.toMatchObject({ code: "BUNDLE_UNKNOWN" });
    expect((await stat(second.path)).mode & 0o777).toBe(0o700);
    await removeBundle(state, first);
    expect(await readdir(join(state.dir, "salvage"))).toEqual([second.path.split("/").at(-1)]);
  });

  it("of one object with the same contents are one; with others they are two", async () => {
    const state = await fleet();
    const first = await bundle(state);
    expect((await bundle(state)).path).toBe(first.path);
    const second = await bundle(state, { entries: [{ path: "root/a", content: "b" }] });
    expect(second.manifest.id).toBe(`${first.manifest.id}-2`);
    expect((await listBundles(state)).whole).toHaveLength(2);
    expect(await readdir(join(state.dir, "salvage"))).toHaveLength(2);
  });

  it("that are torn are none, and those in the making are swept", async () => {
    const state = await fleet();
    const whole = await bundle(state);
    const torn = await bundle(state, { object: "torn", now: NOW + 1 });
    await writeFile(join(torn.path, "files.tar"), "half");
    const empty = join(state.dir, "salvage", "agent%2Fwork-empty");
    await mkdir(empty);
    await stageBundle(state);
    expect(await listBundles(state)).toEqual({ whole: [whole], damaged: [torn.path, empty].toSorted() });
    await sweepBundles(state);
    expect(await readdir(join(state.dir, "salvage"))).toHaveLength(3);
  });

  it("give way by number and by age, but never the newest", async () => {
    const state = await fleet();
    for (const n of [0, 1, 2]) await bundle(state, { object: `o${n}`, now: NOW + n * 1000 });
    await bundle(state, { address: "agent/other", object: "other", now: NOW });
    const { whole } = await listBundles(state);
    const gone = (keep: number | "all", max_age: number | "off", now = NOW + 2000): string[] =>
      outlived(whole, "agent/work", { keep, max_age }, now).map(({ manifest }) => manifest.object_id);
    expect(gone("all", "off")).toEqual([]);
    expect(gone(2, "off")).toEqual(["o0"]);
    expect(gone(1, "off")).toEqual(["o1", "o0"]);
    expect(gone("all", 1500)).toEqual(["o0"]);
    expect(gone("all", 1, NOW + 10 ** 9)).toEqual(["o1", "o0"]);
  });
});

describe("extracting", () => {
  it("gives back contents, modes and links, without set-user-id bits", async () => {
    const state = await fleet();
    const made = await bundle(state, {
      entries: [
        { path: "root/", type: "Directory", mode: 0o711 },
        { path: "root/tool", content: "#!", mode: 0o4755 },
        { path: "root/same", type: "Link", linkpath: "root/tool" },
        { path: "root/near", type: "SymbolicLink", linkpath: "../root/tool" },
        { path: "root/far", type: "SymbolicLink", linkpath: "/etc/shadow" },
        { path: "root/up", type: "SymbolicLink", linkpath: "../../../../etc/shadow" },
      ],
    });
    const output = join(await temporaryDirectory(), "new", "folder");
    expect(await extractBundle(made, output)).toEqual(["/root/far", "/root/up"]);
    expect(await readFile(join(output, "root/same"), "utf8")).toBe("#!");
    expect((await stat(join(output, "root/tool"))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(output, "root"))).mode & 0o7777).toBe(0o711);
    expect(await readlink(join(output, "root/near"))).toBe("../root/tool");
    expect(await readlink(join(output, "root/far"))).toBe("../etc/shadow");
    expect(await readlink(join(output, "root/up"))).toBe("../etc/shadow");
    await expect(extractBundle(made, output)).rejects.toMatchObject({ code: "OUTPUT_NOT_EMPTY" });
  });

  const HOSTILE: readonly (readonly [what: string, entries: readonly Made[]])[] = [
    ["a path above", [{ path: "../evil", content: "x" }]],
    ["an absolute path", [{ path: "/evil", content: "x" }]],
    [
      "a path through a link",
      [
        { path: "d", type: "SymbolicLink", linkpath: "/" },
        { path: "d/evil", content: "x" },
      ],
    ],
    ["a hard link above", [{ path: "evil", type: "Link", linkpath: "../../secret" }]],
    ["an absolute hard link", [{ path: "evil", type: "Link", linkpath: "/etc/passwd" }]],
  ];
  test.each(HOSTILE)("never follows %s", async (_what, entries) => {
    const state = await fleet();
    const base = await temporaryDirectory();
    await writeFile(join(base, "secret"), "s");
    const output = join(base, "out");
    const made = await bundle(state, { entries });
    await expect(extractBundle(made, output)).rejects.toThrow();
    expect((await readdir(base)).toSorted()).toEqual(["out", "secret"]);
    for (const name of await readdir(output)) expect(name).not.toBe("evil");
  });

  it("refuses files that are not those that were written", async () => {
    const state = await fleet();
    const made = await bundle(state);
    const tar = await readFile(join(made.path, "files.tar"));
    tar[600] = 1;
    await writeFile(join(made.path, "files.tar"), tar);
    await expect(extractBundle(made, join(await temporaryDirectory(), "out"))).rejects.toMatchObject({
      code: "BUNDLE_DAMAGED",
    });
  });

  it("leaves no link that leads out, whatever its target says", () => {
    const part = fc.constantFrom("..", ".", "", "a", "b", "etc");
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("x", "y"), { minLength: 1, maxLength: 4 }),
        fc.array(part),
        fc.boolean(),
        (at, parts, absolute) => {
          const target = insideTarget(at.join("/"), (absolute ? "/" : "") + parts.join("/"));
          expect(target.startsWith("/")).toBe(false);
          let depth = at.length - 1;
          for (const each of target.split("/")) {
            depth += each === ".." ? -1 : each === "." || each === "" ? 0 : 1;
            expect(depth).toBeGreaterThanOrEqual(0);
          }
        },
      ),
    );
  });
});
