import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseConfigText } from "../../src/config/index.ts";
import { BACKENDS } from "./folder.ts";

const golden = join(import.meta.dirname, "golden");

it("all problems of a file are told at once, in its order", async () => {
  const text = await readFile(join(golden, "many-errors.toml"), "utf8");
  const { ok, diagnostics } = await parseConfigText("many-errors.toml", text, BACKENDS);
  expect(ok).toBe(false);
  const report = diagnostics.map(({ file, line, column, severity, code, path, message, hint }) => {
    return `${file}:${line}:${column} ${severity} ${code}\n  ${path}: ${message}\n  ${hint}\n`;
  });
  await expect(report.join("")).toMatchFileSnapshot(join(golden, "many-errors.txt"));
});
