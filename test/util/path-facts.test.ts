import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pathFacts } from "../../src/util/path-facts.ts";
import { temporaryFolder } from "../support/fleet-text.ts";

const CASES: readonly (readonly [path: string, real: string])[] = [
  ["project/x", "project/x"],
  ["project/x/y/z", "project/x/y/z"],
  ["link", "project"],
  ["link/not/there", "project/not/there"],
  ["dangling", "later"],
  ["dangling/below", "later/below"],
  ["twice", "later"],
  ["relative", "project/later"],
  ["loop", "loop"],
  ["loop/x", "loop/x"],
];

it.each(CASES)("%s is really %s, whether or not it is there yet", (path, real) => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "project"));
  symlinkSync("project", join(folder, "link"));
  symlinkSync(join(folder, "later"), join(folder, "dangling"));
  symlinkSync("dangling", join(folder, "twice"));
  symlinkSync("link/later", join(folder, "relative"));
  symlinkSync("pool", join(folder, "loop"));
  symlinkSync("loop", join(folder, "pool"));
  expect(pathFacts(folder, folder).realPath(path)).toBe(join(folder, real));
});
