import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const readme = (await readFile(join(ROOT, "README.md"), "utf8")).replaceAll(/\s+/g, " ");

test("the README names every published format, and no other", async () => {
  const told = /`schemas\/` has [^.]*?: ([^.]*?)\. /.exec(readme)?.[1] ?? "";
  const published = (await readdir(join(ROOT, "schemas")))
    .filter((name) => name.endsWith(".schema.json"))
    .map((name) => name.replace(".schema.json", ""));
  const names = [...told.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
  expect(new Set(names)).toEqual(new Set(published));
});

test("the README says that holds are lost with the state directory", () => {
  expect(/losing it [^.]*\./.exec(readme)?.[0]).toContain("ends every hold");
});
