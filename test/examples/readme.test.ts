import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { signalExit } from "../../src/util/signal-exit.ts";
import { VERBS } from "../../src/cli/verbs.ts";
import { GLOBAL_FLAGS } from "../../src/cli/globals.ts";
import { parseConfigText } from "../../src/config/index.ts";
import { BACKENDS } from "../../src/drivers/registry.ts";
import { EXAMPLES, ROOT } from "./example.ts";
import { PAGES, README, blocks, linked, readPage } from "./readme.ts";

/** Every command line that a page shows: in blocks, and between backticks. */
function commandLines(page: string): readonly string[] {
  const shown = [...blocks("console", page), ...blocks("sh", page)].flatMap(
    (text) => text.match(/^(?:\$ )?sandkeep .*/gm) ?? [],
  );
  const named = [...page.matchAll(/`(sandkeep [a-z][^`]*)`/g)].map((match) => match[1] ?? "");
  return [...shown, ...named].map((line) => line.replace(/^\$ /, "").replace(/ {2,}#.*$/, ""));
}

describe("the README", () => {
  test("shows a config that is valid", async () => {
    const [text = "", ...others] = blocks("toml");
    expect(others).toEqual([]);
    expect(await parseConfigText("sandkeep.toml", text, BACKENDS)).toMatchObject({
      ok: true,
      diagnostics: [],
    });
  });

  test("shows more than a few commands, and leads to every guide", () => {
    expect(commandLines(README).length).toBeGreaterThan(8);
    expect(linked("README.md")).toEqual(expect.arrayContaining(PAGES.slice(1)));
  });

  test("tells every exit code and no other", () => {
    const section = /^## Exit codes$([^]*?)^## /m.exec(README)?.[1] ?? "";
    const told = [...section.matchAll(/\| *(\d+(?:, \d+)*) *(?=\|)/g)].flatMap((match) =>
      (match[1] ?? "").split(", "),
    );
    const real = [...Object.values(EXIT), signalExit("SIGINT"), signalExit("SIGTERM")];
    expect(new Set(told.map(Number))).toEqual(new Set<number>(real));
    expect(told).toHaveLength(real.length);
  });

  test("maps every folder, and no other", () => {
    const map = /^## The house$([^]*?)^Imports/m.exec(README)?.[1] ?? "";
    const told = [...map.matchAll(/\b([a-z]+)\/(?=[ ,]|$)/gm)].map((match) => match[1]);
    const real = readdirSync(join(ROOT, "src"), { withFileTypes: true })
      .filter((each) => each.isDirectory())
      .map(({ name }) => name);
    const top = ["src", "controllers", "schemas", "examples", "test"];
    expect(new Set(told)).toEqual(new Set([...real, ...top]));
  });

  test("names examples that exist", () => {
    const named = [...README.matchAll(/`examples\/([a-z-]+)`/g)].map((match) => match[1]);
    expect(named.length).toBeGreaterThan(1);
    for (const name of named) expect(readdirSync(EXAMPLES)).toContain(name);
  });
});

describe.each(PAGES)("%s", (path) => {
  const page = readPage(path);

  test("names verbs and flags that exist", () => {
    for (const line of commandLines(page)) {
      const [own = ""] = line.split(" -- ");
      const verb = VERBS.find((each) => each.name === own.split(" ")[1]);
      expect(verb, line).toBeDefined();
      const known = [...GLOBAL_FLAGS, ...(verb?.options ?? [])].flatMap(({ flags }) =>
        flags.match(/--[a-z-]+/g),
      );
      for (const flag of own.match(/--[a-z-]+/g) ?? []) expect(known, line).toContain(flag);
    }
  });

  test("links to what is there", () => {
    expect(linked(path).filter((to) => !existsSync(join(ROOT, to)))).toEqual([]);
  });
});

test.each(PAGES.slice(1))("%s shows parts of the config beside it", (path) => {
  const config = readFileSync(join(ROOT, dirname(path), "sandkeep.toml"), "utf8");
  for (const part of blocks("toml", readPage(path))) expect(config).toContain(part);
});
