import { expect, test } from "vitest";
import { Claims } from "../../src/loop/claims.ts";

function open(): { claims: Claims; freed: string[] } {
  const freed: string[] = [];
  return { claims: new Claims((key) => freed.push(key)), freed };
}

test("who finds a key taken goes on with the others, and is told when it is free", () => {
  const { claims, freed } = open();
  const first = claims.claimFree(["a", "b"]);
  const second = claims.claimFree(["b", "c"]);
  expect([first.keys, second.keys]).toEqual([["a", "b"], ["c"]]);
  second.release();
  expect(freed).toEqual([]);
  first.release();
  expect(freed).toEqual(["b"]);
  expect(claims.taken().size).toBe(0);
});

test("all or none", () => {
  const { claims } = open();
  const release = claims.claimAll(["a", "b"]);
  expect(claims.claimAll(["b", "c"])).toBeUndefined();
  expect(claims.claimFree(["c"]).keys).toEqual(["c"]);
  release?.();
  expect(claims.claimAll(["a", "b"])).toBeDefined();
});

test("a release counts once, even when another has the key by then", () => {
  const { claims } = open();
  const first = claims.claimFree(["a"]);
  first.release();
  claims.claimFree(["a"]);
  first.release();
  expect([...claims.taken()]).toEqual(["a"]);
});

test("a look at what is taken asks to be told", () => {
  const { claims, freed } = open();
  const held = claims.claimFree(["a"]);
  expect([...claims.taken()]).toEqual(["a"]);
  held.release();
  expect(freed).toEqual(["a"]);
});
