import { describe, expect, it } from "vitest";
import { selection } from "../../src/stage/rules.ts";

const ALL = ["a", "docs/one.md", "docs/two.md", "src/[id].ts", "!odd"];

describe("--path", () => {
  it.each([
    ["nothing", [], ALL],
    ["the workspace", ["."], ALL],
    ["a folder", ["./docs/"], ["docs/one.md", "docs/two.md"]],
    ["a glob", ["**/*.md", "a"], ["a", "docs/one.md", "docs/two.md"]],
    ["a name that looks like a glob", ["src/[id].ts"], ["src/[id].ts"]],
    ["all but a path", ["!docs"], ["a", "src/[id].ts", "!odd"]],
    ["a folder but for a glob", ["docs", "!**/two.*"], ["docs/one.md"]],
    ["a name that begins with a !", ["./!odd"], ["!odd"]],
    ["all but such a name", ["!!odd"], ["a", "docs/one.md", "docs/two.md", "src/[id].ts"]],
  ] as const)("can name %s", async (_, paths, chosen) => {
    const isChosen = await selection(paths);
    expect(ALL.filter(isChosen)).toEqual(chosen);
  });

  it.each(["/etc", "../up", "a/../b", "", "!"])(
    "refuses %j, which is nothing below the workspace",
    async (path) => {
      await expect(selection([path])).rejects.toMatchObject({ code: "USAGE", exitCode: 64 });
    },
  );
});
