import { execFileSync } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/index.ts";
import { BACKENDS, type Files, inFolder, lines, MINIMAL } from "./folder.ts";

type Prepare = (folder: string) => Promise<void>;

async function complaints(files: Files, prepare?: Prepare, cwd = "."): Promise<readonly string[]> {
  return inFolder(files, async (folder) => {
    await prepare?.(folder);
    const { diagnostics } = await loadConfig({ cwd: join(folder, cwd), backends: BACKENDS });
    return lines(diagnostics).map((line) => line.replaceAll(folder, "/R"));
  });
}

const including = (...patterns: readonly string[]): string =>
  `${MINIMAL}include = [\n${patterns.map((pattern) => `  ${JSON.stringify(pattern)},\n`).join("")}]\n`;

const linkOutside: Prepare = async (folder) => {
  await mkdir(join(folder, "f/in"));
  await symlink("../../y/secret.toml", join(folder, "f/in/link.toml"));
};

const linkInside: Prepare = (folder) => symlink("../real.toml", join(folder, "repo/shared/link.toml"));

const makeOddFiles: Prepare = async (folder) => {
  execFileSync("mkfifo", [join(folder, "pipe.toml")]);
  await mkdir(join(folder, "dir.toml"));
  await symlink("gone", join(folder, "dangling.toml"));
  await symlink("loop.toml", join(folder, "loop.toml"));
  await symlink("/dev/null", join(folder, "null.toml"));
};

describe("include", () => {
  it("reads by pattern order, then by the bytes of the path, each file once", async () => {
    const files = {
      "sandkeep.toml": including("z/*.toml", "*/*.toml", "one.json5"),
      "z/b.toml": "[agents.zb]",
      "z/a.toml": "include = ['deep/x.json']\n[agents.za]",
      "a/Z.toml": "[agents.aZ]",
      "a/a.toml": "[agents.aa]",
      "deep/x.json": '{"agents": {"deep": {}}}',
      "one.json5": "{agents: {one: {}}}",
      "node_modules/m/c.toml": "broken",
    };
    await inFolder(files, async (folder) => {
      const result = await loadConfig({ cwd: folder, backends: BACKENDS });
      expect(lines(result.diagnostics)).toEqual([]);
      if (!result.ok) throw new Error("expected a config");
      expect(Object.keys(result.loaded.config.agents ?? {})).toEqual(["za", "deep", "zb", "aZ", "aa", "one"]);
      expect(result.loaded.files.map(({ path }) => path)).toEqual([
        "a/Z.toml",
        "a/a.toml",
        "deep/x.json",
        "one.json5",
        "sandkeep.toml",
        "z/a.toml",
        "z/b.toml",
      ]);
      expect(result.loaded.locate(["agents", "aZ"])).toEqual({ file: "a/Z.toml", line: 1, column: 9 });
      expect(result.loaded.locate(["agents", "deep"])).toEqual({ file: "deep/x.json", line: 1, column: 13 });
      expect(result.loaded.locate(["include", 1])).toEqual({ file: "sandkeep.toml", line: 6, column: 3 });
    });
  });

  it.each<[string, Files, readonly string[]]>([
    [
      "a key set twice names both places",
      {
        "sandkeep.toml": `${including("a.toml")}[sandbox]\nmode = "all"\n[sandbox.docker]\nimage = "x"`,
        "a.toml": '[sandbox]\nscope = "agent"\nmode = "off"\n[sandbox.docker]\ncpus = 1',
      },
      [
        "a.toml:3:1 error set-twice sandbox.mode: sandbox.mode is already set at sandkeep.toml:8:1 | keep one of the two",
      ],
    ],
    [
      "an agent in two files",
      { "sandkeep.toml": including("*/a.toml"), "x/a.toml": "[agents.a]", "y/a.toml": "\n[agents.a.tools]" },
      [
        "y/a.toml:2:9 error set-twice agents.a: agents.a is already set at x/a.toml:1:9 | keep one of the two",
      ],
    ],
    [
      "what only the root may set, and a wrong include",
      {
        "sandkeep.toml": including("a.toml"),
        "a.toml": 'version = 1\nfleet = "x"\nfleet_id = "y"\ninclude = "z"',
      },
      [
        "a.toml:1:1 error root-only-key version: only the root config may set version | remove it here",
        "a.toml:2:1 error root-only-key fleet: only the root config may set fleet | remove it here",
        "a.toml:3:1 error root-only-key fleet_id: only the root config may set fleet_id | remove it here",
        'a.toml:4:1 error wrong-type include: expected a list, got a text | put it in brackets: ["z"]',
      ],
    ],
    [
      "problems of every file",
      {
        "sandkeep.toml": `${including("a.toml", "b.json")}[sandbox]\nmod = 1`,
        "a.toml": "[agents.a]\nx = 1",
        "b.json": '{\n "hosts": {"h": {"dokcer": 1}}}',
      },
      [
        'a.toml:2:1 error unknown-key agents.a.x: unknown key "x" | known keys here: sessions, sandbox, tools',
        'b.json:2:18 error unknown-key hosts.h.dokcer: unknown key "dokcer" | did you mean "docker"?',
        'sandkeep.toml:9:1 error unknown-key sandbox.mod: unknown key "mod" | did you mean "mode"?',
      ],
    ],
    [
      "a circle",
      {
        "sandkeep.toml": including("a.toml"),
        "a.toml": "include = ['b.toml']",
        "b.toml": "\ninclude = ['*.toml']",
      },
      [
        "b.toml:2:12 error include-cycle include[0]: files include each other in a circle: a.toml -> b.toml -> a.toml | remove one of these includes, or narrow its pattern",
        "b.toml:2:12 error include-cycle include[0]: files include each other in a circle: b.toml -> b.toml | remove one of these includes, or narrow its pattern",
        "b.toml:2:12 error include-cycle include[0]: files include each other in a circle: sandkeep.toml -> a.toml -> b.toml -> sandkeep.toml | remove one of these includes, or narrow its pattern",
      ],
    ],
    [
      "a file that includes itself",
      { "sandkeep.toml": including("./sandkeep.toml") },
      [
        "sandkeep.toml:5:3 error include-cycle include[0]: files include each other in a circle: sandkeep.toml -> sandkeep.toml | remove one of these includes, or narrow its pattern",
      ],
    ],
    [
      "nothing found",
      { "sandkeep.toml": including("agents/*.toml", "gone.toml") },
      [
        'sandkeep.toml:5:3 warning include-empty include[0]: the include "agents/*.toml" matches no file | correct the pattern, which is relative to the root config\'s folder, or remove it',
        'sandkeep.toml:6:3 warning include-empty include[1]: the include "gone.toml" matches no file | correct the pattern, which is relative to the root config\'s folder, or remove it',
      ],
    ],
    [
      "patterns that are refused",
      {
        "sandkeep.toml": including(
          "/etc/*.toml",
          "~/a.toml",
          "(a+)+.toml",
          "**/**/**/a.toml",
          "*a*a*a*a.toml",
        ),
      },
      [
        'sandkeep.toml:5:3 error include-pattern include[0]: expected a path relative to the root config\'s folder, got "/etc/*.toml" | write it relative, such as agents/*.toml',
        'sandkeep.toml:6:3 error include-pattern include[1]: expected a path relative to the root config\'s folder, got "~/a.toml" | write it relative, such as agents/*.toml',
        'sandkeep.toml:7:3 error include-pattern include[2]: expected a glob of plain names, *, ?, [..] and **, got "(a+)+.toml" | list several patterns instead of alternatives',
        'sandkeep.toml:8:3 error include-pattern include[3]: expected at most two ** and three * in each name, got "**/**/**/a.toml" | use a simpler pattern, or several',
        'sandkeep.toml:9:3 error include-pattern include[4]: expected at most two ** and three * in each name, got "*a*a*a*a.toml" | use a simpler pattern, or several',
      ],
    ],
    [
      "another kind of file",
      { "sandkeep.toml": including("a.md"), "a.md": "x" },
      [
        'a.md:1:1 error unknown-format : expected a .toml, .json5 or .json file, got "a.md" | give the file one of these endings',
      ],
    ],
  ])("%s", async (_name, files, expected) => {
    expect(await complaints(files)).toEqual(expected);
  });

  it("refuses what lies outside the folder, links too", async () => {
    const files = {
      "f/sandkeep.toml": including("../x.toml", "in/*.toml"),
      "x.toml": "",
      "y/secret.toml": "",
    };
    const hint = "include only files of this repository; a link that leaves it counts as outside";
    expect(await complaints(files, linkOutside, "f")).toEqual([
      `sandkeep.toml:5:3 error include-outside include[0]: /R/x.toml lies outside /R/f | ${hint}`,
      `sandkeep.toml:6:3 error include-outside include[1]: in/link.toml lies outside /R/f | ${hint}`,
    ]);
  });

  it("reads everything of the enclosing git repository, links too, and nothing else", async () => {
    const files = {
      "repo/.git/HEAD": "",
      "repo/fleets/ci/sandkeep.toml": including("../../shared/*.toml", "../../../x.toml"),
      "repo/shared/a.toml": "[agents.a]",
      "repo/real.toml": "[agents.b]",
      "x.toml": "",
    };
    expect(await complaints(files, linkInside, "repo/fleets/ci")).toEqual([
      "sandkeep.toml:6:3 error include-outside include[1]: /R/x.toml lies outside /R/repo | " +
        "include only files of this repository; a link that leaves it counts as outside",
    ]);
  });

  it("tells of what is no readable file, and never waits on a pipe", async () => {
    const files = {
      "sandkeep.toml": including(
        "pipe.toml",
        "dir.toml",
        "dangling.toml",
        "loop.toml",
        "null.toml",
        "*.to?l",
      ),
    };
    const told = await complaints(files, makeOddFiles);
    expect(told.map((line) => line.split(" | ")[0])).toEqual([
      "sandkeep.toml:5:3 error not-a-file include[0]: expected a config file, but pipe.toml is a named pipe",
      "sandkeep.toml:6:3 error not-a-file include[1]: expected a config file, but dir.toml is a folder",
      "sandkeep.toml:7:3 error not-found include[2]: dangling.toml does not exist",
      "sandkeep.toml:8:3 error unreadable include[3]: loop.toml is a link that leads to itself",
      "sandkeep.toml:9:3 error include-outside include[4]: null.toml lies outside /R",
      ...["include-cycle", "include-outside", "not-found", "unreadable"].map((code) =>
        expect.stringContaining(`sandkeep.toml:10:3 error ${code} include[5]: `),
      ),
    ]);
  });

  it("stops at a long chain of includes", async () => {
    const chain = Array.from({ length: 30 }, (_, index) => [
      `c${index}.toml`,
      `include = ["c${index + 1}.toml"]`,
    ]);
    const told = await complaints({ "sandkeep.toml": including("c0.toml"), ...Object.fromEntries(chain) });
    expect(told).toEqual([
      "c15.toml:1:12 error include-too-deep include[0]: includes lead through more than 16 files | include the files from the root config",
    ]);
  });
});
