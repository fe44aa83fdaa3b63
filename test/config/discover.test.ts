import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type LoadResult, loadConfig } from "../../src/config/index.ts";
import { BACKENDS, type Files, inFolder, lines, MINIMAL } from "./folder.ts";

const JSON_MINIMAL = '{"version": 1, "fleet": "team", "fleet_id": "k3v9q2"}';

async function load(files: Files, where: { cwd?: string; file?: string }): Promise<LoadResult> {
  return inFolder(files, async (folder) => {
    await mkdir(join(folder, where.cwd ?? "."), { recursive: true });
    const cwd = join(folder, where.cwd ?? ".");
    const file = where.file === undefined ? {} : { file: where.file };
    const result = await loadConfig({ ...file, cwd, backends: BACKENDS });
    return JSON.parse(JSON.stringify(result).replaceAll(folder, "/R")) as LoadResult;
  });
}

async function complaints(files: Files, where: { cwd?: string; file?: string }): Promise<readonly string[]> {
  return lines((await load(files, where)).diagnostics);
}

describe("walking up", () => {
  it.each(["sandkeep.toml", "sandkeep.json5", "sandkeep.json"])(
    "finds %s in a folder above",
    async (name) => {
      const text = name.endsWith("toml") ? MINIMAL : JSON_MINIMAL;
      const result = await load({ [name]: text }, { cwd: "a/b/c" });
      expect(result).toMatchObject({ ok: true, loaded: { rootFile: `/R/${name}`, root: "/R" } });
    },
  );

  it("takes the nearest", async () => {
    const result = await load({ "sandkeep.toml": "broken", "a/sandkeep.json": JSON_MINIMAL }, { cwd: "a/b" });
    expect(result).toMatchObject({ ok: true, loaded: { rootFile: "/R/a/sandkeep.json" } });
  });

  it("refuses two in one folder, naming both", async () => {
    expect(await complaints({ "sandkeep.toml": MINIMAL, "sandkeep.json": JSON_MINIMAL }, {})).toEqual([
      "sandkeep.toml error ambiguous-config : two configs in one folder: sandkeep.toml and sandkeep.json | " +
        "keep one of them, or name one with --file",
    ]);
  });

  it("says what to do when there is none", async () => {
    const result = await loadConfig({ cwd: "/", backends: BACKENDS });
    expect(lines(result.diagnostics)).toEqual([
      "undefined error no-config : no sandkeep.toml, sandkeep.json5, sandkeep.json in / or any folder above | " +
        "run `sandkeep init` to write one, or name one with --file",
    ]);
  });

  it("does not walk past a root file that cannot be one", async () => {
    const told = await inFolder({ "sandkeep.toml": MINIMAL }, async (folder) => {
      await mkdir(join(folder, "folder/sandkeep.toml"), { recursive: true });
      await mkdir(join(folder, "link"));
      await symlink("nowhere", join(folder, "link/sandkeep.toml"));
      const results = ["folder", "link"].map((name) =>
        loadConfig({ cwd: join(folder, name), backends: BACKENDS }),
      );
      return (await Promise.all(results)).flatMap(({ diagnostics }) => lines(diagnostics));
    });
    expect(told).toEqual([
      "sandkeep.toml error not-a-file : expected a config file, but sandkeep.toml is a folder | name the files in it, such as sandkeep.toml/*.toml",
      "sandkeep.toml error not-found : sandkeep.toml does not exist | create it, or correct the name; a link to it may be dangling",
    ]);
  });
});

describe("a named file", () => {
  it("may have any name with a known ending, and names files relative to the working folder", async () => {
    const result = await load({ "fleets/ci.toml": `${MINIMAL}[agents.a]\n` }, { file: "fleets/ci.toml" });
    expect(result).toMatchObject({ ok: true, loaded: { rootFile: "/R/fleets/ci.toml", root: "/R/fleets" } });
  });

  it.each([
    ["gone.toml", "gone.toml error not-found"],
    ["a.conf", "a.conf:1:1 error unknown-format"],
    ["sandkeep.toml/x", "sandkeep.toml/x error not-found"],
  ])("is told when it is %s", async (file, start) => {
    const [told, ...others] = await complaints({ "a.conf": "", "sandkeep.toml": MINIMAL }, { file });
    expect(told).toContain(start);
    expect(others).toEqual([]);
  });
});

describe("a fleet folder", () => {
  it("has a root file that includes the rest", async () => {
    const files = { "f/sandkeep.toml": MINIMAL, "f/other.toml": "[agents.x]" };
    const result = await load(files, { file: "f" });
    expect(result).toMatchObject({ ok: true, loaded: { files: [{ path: "sandkeep.toml" }] } });
  });

  it("is merged from all its files otherwise, whichever of them is the root", async () => {
    const files = {
      "f/b.toml": MINIMAL,
      "f/a.json": '{"agents": {"one": {}}}',
      "f/c.json5": "{agents: {two: {}}}",
      "f/.hidden.toml": "x = 1",
      "f/notes.md": "x",
    };
    const result = await load(files, { file: "f" });
    expect(result).toMatchObject({
      ok: true,
      loaded: {
        rootFile: "/R/f/b.toml",
        files: [{ path: "a.json" }, { path: "b.toml" }, { path: "c.json5" }],
        config: { agents: { one: {}, two: {} } },
      },
    });
  });

  it.each<[string, Files, readonly string[]]>([
    ["empty", { "f/x.md": "" }, ["f error no-config : the folder f holds no .toml, .json5 or .json file"]],
    [
      "without a root",
      { "f/a.toml": "[agents.a]" },
      // A single file is the root, and says what it lacks.
      ["f/a.toml:1:1 error missing-key fleet", "f/a.toml:1:1 error missing-key version"],
    ],
    [
      "of files without a root",
      { "f/a.toml": "[agents.a]", "f/b.toml": "[agents.b]" },
      ["f error no-root : no file of the folder f sets version and fleet"],
    ],
    [
      "with two roots",
      { "f/a.toml": MINIMAL, "f/b.toml": `# x\n${MINIMAL}` },
      [
        "f/b.toml:2:1 error two-roots : two files of one folder set version or fleet; the other is f/a.toml:1:1",
      ],
    ],
    [
      "that sets a key twice",
      {
        "f/a.toml": MINIMAL + "[agents.x]\n[sandbox]\nmode = 'all'",
        "f/b.toml": "[sandbox]\nmode = 'off'\n[agents.x]",
      },
      [
        "f/b.toml:2:1 error set-twice sandbox.mode: sandbox.mode is already set at f/a.toml:6:1",
        "f/b.toml:3:9 error set-twice agents.x: agents.x is already set at f/a.toml:4:9",
      ],
    ],
    [
      "with a broken file",
      { "f/a.toml": `${MINIMAL}[sandbox]\nhost = "b"\nmode = 1`, "f/b.toml": "[hosts.b" },
      // The host may well be in the broken file, so it is not called missing.
      ["f/a.toml:6:1 error wrong-value sandbox.mode", "f/b.toml:1:2 error syntax"],
    ],
  ])("%s", async (_name, files, expected) => {
    const told = await complaints(files, { file: "f" });
    expect(told).toHaveLength(expected.length);
    for (const [index, start] of expected.entries())
      expect(told[index]?.startsWith(start), told[index]).toBe(true);
  });
});

it("shows paths relative to the working folder when below it, else in full", async () => {
  await inFolder({ "sandkeep.toml": "x", "a/keep": "" }, async (folder) => {
    await writeFile(join(folder, "a/keep"), "");
    const above = await loadConfig({ cwd: join(folder, "a"), backends: BACKENDS });
    expect(above.diagnostics[0]?.file).toBe(join(folder, "sandkeep.toml"));
    const here = await loadConfig({ cwd: folder, backends: BACKENDS });
    expect(here.diagnostics[0]?.file).toBe("sandkeep.toml");
  });
});
