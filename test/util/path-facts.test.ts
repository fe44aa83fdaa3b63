import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { pathFacts } from "../../src/util/path-facts.ts";
import { asAnybody } from "../support/anybody.ts";
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

it("follows `..` as the system does: the parent of where a link leads", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "far/off/inner"), { recursive: true });
  mkdirSync(join(folder, "project"));
  symlinkSync("../far/off/inner", join(folder, "project/in"));
  symlinkSync("in/../beside", join(folder, "project/out"));
  // Written so, it seems to lead to itself.
  symlinkSync("in/../same", join(folder, "project/same"));
  const facts = pathFacts(folder, folder);
  expect(facts.realPath("project/out")).toBe(join(folder, "far/off/beside"));
  expect(facts.realPath("project/same/x")).toBe(join(folder, "far/off/same/x"));
  expect([facts.unseen("project/out"), facts.unseen("project/same")]).toEqual([undefined, undefined]);
});

it.each([1, 39, 40, 41, 254, 255])("tells where a row of %d links leads, from each of them", (length) => {
  const folder = temporaryFolder();
  for (let at = 0; at < length; at++) symlinkSync(`l${at + 1}`, join(folder, `l${at}`));
  const facts = pathFacts(folder, folder);
  for (const at of [0, length - 1]) {
    expect([facts.realPath(`l${at}`), facts.unseen(`l${at}`)]).toEqual([
      join(folder, `l${length}`),
      undefined,
    ]);
  }
});

it.each([256, 300, 5000])("tells of a row of %d links that nobody can tell where it leads", (length) => {
  const folder = temporaryFolder();
  for (let at = 0; at < length; at++) symlinkSync(`l${at + 1}`, join(folder, `l${at}`));
  const facts = pathFacts(folder, folder);
  expect(facts.unseen("l0/below")).toContain("more than 255 links");
  expect(facts.unseen("l0")).toContain("more than 255 links");
});

it("tells of what leads to itself, and of what lies where nobody may look, that it cannot tell", () => {
  const folder = temporaryFolder();
  symlinkSync("pool/x", join(folder, "loop"));
  symlinkSync("loop", join(folder, "pool"));
  mkdirSync(join(folder, "dark"));
  symlinkSync("/etc", join(folder, "dark/link"));
  chmodSync(join(folder, "dark"), 0);
  chmodSync(folder, 0o755);
  const facts = pathFacts(folder, folder);
  expect(facts.unseen("loop")).toContain("leads back to itself");
  expect(facts.unseen("x".repeat(256))).toContain("ENAMETOOLONG");
  // Root may look everywhere.
  using _anybody = asAnybody();
  expect(facts.unseen("dark")).toBeUndefined();
  expect(facts.unseen("dark/link/below")).toContain("dark/link cannot be looked at (EACCES)");
});

it("asks for each part once, however often links lead through it", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "l0"));
  // Each leads through the one before it twice: 2^60 steps for whoever remembers none.
  for (let at = 1; at <= 60; at++) symlinkSync(`l${at - 1}/../l${at - 1}`, join(folder, `l${at}`));
  expect(pathFacts(folder, folder).realPath("l60")).toBe(join(folder, "l0"));
});

const part = fc.constantFrom("a", "b", "c", "..", ".", "a/b");
const target = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const tree = fc.dictionary(fc.constantFrom("a", "b", "c", "a/a", "a/b", "b/a", "b/c"), fc.option(target), {
  maxKeys: 7,
});
const asked = fc.array(fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 6,
});

it("tells of whatever is there what the system tells, in whatever order it is asked", () => {
  fc.assert(
    fc.property(tree, asked, (made, paths) => {
      const folder = realpathSync(mkdtempSync(join(tmpdir(), "sandkeep-")));
      try {
        for (const [name, leads] of Object.entries(made).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
          try {
            if (leads === null) mkdirSync(join(folder, name));
            else symlinkSync(leads, join(folder, name));
          } catch {
            // Its folder is not there, or leads elsewhere.
          }
        }
        const facts = pathFacts(folder, folder);
        for (const path of paths.map((parts) => parts.join("/"))) {
          const told = systemPath(join(folder, path));
          if (told !== undefined)
            expect([facts.realPath(path), facts.unseen(path)]).toEqual([told, undefined]);
          else if (facts.unseen(path) !== undefined) expect(() => statSync(join(folder, path))).toThrow();
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
  );
});

function systemPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
