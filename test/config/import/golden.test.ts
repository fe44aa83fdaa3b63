import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { check, imported } from "./scene.ts";

const golden = join(import.meta.dirname, "golden");
const sources = (await readdir(golden)).filter((name) => !/\.(?:imported\.toml|report\.txt)$/.test(name));

describe.each(sources)("%s", async (name) => {
  const text = await readFile(join(golden, name), "utf8");
  const outcome = await imported(name, text);

  it("becomes this config", async () => {
    await expect(outcome.text).toMatchFileSnapshot(join(golden, `${name}.imported.toml`));
  });

  it("is accepted by sandkeep", async () => {
    expect((await check(outcome.text)).filter(({ severity }) => severity === "error")).toEqual([]);
  });

  it("has told of every key", async () => {
    const lists = { mapped: outcome.mapped, changed: outcome.changed, unmapped: outcome.unmapped };
    const told = Object.entries(lists).flatMap(([list, keys]) =>
      keys.map(({ key, line, column, to, note = "" }) =>
        [`${line}:${column}`, list, key, "->", to.join(", ") || "-", note && `(${note})`]
          .filter(Boolean)
          .join(" "),
      ),
    );
    const kept = outcome.defaults.map(({ to, note }) => `default -> ${to} (${note})`);
    const report = [outcome.product, ...told, ...kept, ""].join("\n");
    await expect(report).toMatchFileSnapshot(join(golden, `${name}.report.txt`));
  });

  it("copies no credential", () => {
    for (const secret of ["ghp_abcdef", "abc123def", "BEGIN OPENSSH", "hidden-value"])
      expect(JSON.stringify(outcome)).not.toContain(secret);
  });
});

it("there are sources to import", () => {
  expect(sources.length).toBeGreaterThan(5);
});
