import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const SOURCE = resolve(import.meta.dirname, "../../src/cli");

/** What a module loads at once: `import type` is erased and `import()` waits until it is needed. */
function staticImports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from\s+"([^"]+)"/gm)].map(
    (match) => match[1] ?? "",
  );
}

/** Everything loaded together with one module. */
function loaded(entry: string) {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const waiting = [resolve(SOURCE, entry)];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const name of staticImports(file)) {
      if (name.startsWith(".")) waiting.push(resolve(dirname(file), name));
      else if (!name.startsWith("node:")) packages.add(name);
    }
  }
  return { packages: [...packages], files: [...seen].map((file) => relative(SOURCE, file)).toSorted() };
}

test("--version loads nothing but itself", () => {
  expect(loaded("main.ts")).toEqual({
    packages: [],
    files: ["code-cache.ts", "load-program.ts", "main.ts", "start-flags.ts", "version.ts"],
  });
});

test("help and usage errors load the parser and no verb", () => {
  const { packages, files } = loaded("program.ts");
  expect(packages).toEqual(["commander"]);
  expect(files.filter((file) => file.startsWith("commands/") || file.startsWith("../model"))).toEqual([]);
});

test("run loads nothing that plans or applies: what is ready needs none of it", () => {
  const { files } = loaded("commands/run.ts");
  const own = ["../plan/engine.ts", "../apply/streams.ts"];
  const planning = /^\.\.\/(plan\/|apply\/|reconcile\.ts|runs\/build\.ts|model\/run-(answers|manifest)\.ts)/;
  expect(files).toContain("../runs/run.ts");
  expect(files.filter((file) => planning.test(file) && !own.includes(file))).toEqual([]);
});
