import { expect, test } from "vitest";
import { solidSpellings, spellings } from "../../src/util/secret-spellings.ts";

const LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
const KEY = `-----BEGIN KEY-----\n${LINE}\nNODE_ENV=production\n      \n`;

test("a secret is known however it is written", () => {
  for (const all of [spellings(["s3cret&value"]), solidSpellings(["s3cret&value"])]) {
    expect(all).toEqual(expect.arrayContaining(["s3cret&value", "s3cret%26value", "czNjcmV0JnZhbHVl"]));
  }
});

test("in a message every line of it counts, in a whole output only those that no other text has", () => {
  expect(spellings([KEY])).toEqual(
    expect.arrayContaining([LINE, "-----BEGIN KEY-----", "NODE_ENV=production"]),
  );
  const solid = solidSpellings([KEY]);
  expect(solid).toEqual(expect.arrayContaining([KEY, LINE]));
  for (const each of ["-----BEGIN KEY-----", "NODE_ENV=production", "      "])
    expect(solid).not.toContain(each);
});

test("of a file full of lines an output is searched for no more than it can be", () => {
  const bundle = Array.from({ length: 5_000 }, (_, index) => `${LINE}${String(index)}`).join("\n");
  expect(solidSpellings([bundle]).length).toBeLessThan(110);
});
