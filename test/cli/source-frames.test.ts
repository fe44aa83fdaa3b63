import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transform } from "esbuild";
import { expect, it, onTestFinished } from "vitest";
import { inSources } from "../../src/cli/source-frames.ts";

const SOURCE = `export function outer(): never {
  return inner("nothing");
}

function inner(what: string): never {
  throw new Error(what);
}
`;

async function bundle(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sandkeep-frames-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { code, map } = await transform(SOURCE, {
    loader: "ts",
    format: "cjs",
    minify: true,
    sourcemap: "external",
    sourcesContent: false,
    sourcefile: "../../../src/apply/step.ts",
  });
  const path = join(folder, "program.cjs");
  await writeFile(path, code);
  await writeFile(`${path}.map`, map);
  return path;
}

/** The frames of what a bundle throws. */
async function framesOf(path: string): Promise<string[]> {
  const program: { readonly outer: () => never } = await import(path);
  try {
    return program.outer();
  } catch (thrown) {
    return (thrown instanceof Error ? (thrown.stack ?? "") : "").split("\n").slice(1);
  }
}

it("a minified bundle's frames are told by the lines of its sources", async () => {
  const frames = await framesOf(await bundle());
  const told = await inSources(frames);
  expect(told.slice(0, 2)).toEqual(["    at src/apply/step.ts:6:9", "    at src/apply/step.ts:2:10"]);
  // Those of others stay as they are.
  expect(told.slice(2)).toEqual(frames.slice(2));
});

it.each([
  ["there is none", async (map: string) => rm(map)],
  ["it is damaged", async (map: string) => writeFile(map, '{"version":3')],
  ["it is something else", async (map: string) => writeFile(map, "[]")],
])("frames are told as they are where the map is no help: %s", async (_, damage) => {
  const path = await bundle();
  const frames = await framesOf(path);
  await damage(`${path}.map`);
  expect(await inSources(frames)).toEqual(frames);
});
