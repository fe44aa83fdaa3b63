import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkImports, type Violation } from "./rooms.ts";
import type { SourceFile } from "./source.ts";
import { checkStyle } from "./style.ts";

const root = join(import.meta.dirname, "../..");

async function read(folder: string): Promise<readonly SourceFile[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".d.ts"))
    .map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.toSorted().map(async (path) => ({
      path: path.slice(root.length + 1),
      text: await readFile(path, "utf8"),
    })),
  );
}

function report(violations: readonly Violation[]): readonly string[] {
  return violations.map(({ path, line, what }) => `${path}:${line} ${what}`);
}

describe("the house", async () => {
  const code = [...(await read("src")), ...(await read("controllers"))];
  const schemas = await read("schemas");

  it("is not empty", () => {
    expect(code.map(({ path }) => path)).toContain("src/errors.ts");
  });

  it("is imported in one direction only", () => {
    expect(report(checkImports([...code, ...schemas]))).toEqual([]);
  });

  it("keeps the style of its files", () => {
    expect(report(checkStyle(code))).toEqual([]);
  });

  it("has nothing at the top level but what belongs there", async () => {
    const belongs =
      "README.md LICENSE package.json package-lock.json tsconfig.json tsconfig.build.json rolldown.config.ts vitest.config.ts " +
      "src controllers schemas examples test node_modules dist coverage";
    const entries = await readdir(root);
    expect(entries.filter((name) => !name.startsWith(".") && !belongs.split(" ").includes(name))).toEqual([]);
  });
});
