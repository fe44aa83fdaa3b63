import { describe, expect, it } from "vitest";
import { listWords, nearestWord } from "../../src/util/suggestion.ts";

describe("nearestWord", () => {
  it.each([
    ["sesions", ["sandbox", "sessions"], "sessions"],
    ["maxAge", ["idle", "max_age"], "max_age"],
    ["MODE", ["mode", "scope"], "mode"],
    ["al", ["off", "non-main", "all"], "all"],
    ["bulid1", ["build2", "build1"], "build1"],
  ])("finds what %s meant", (word, known, meant) => {
    expect(nearestWord(word, known)).toBe(meant);
  });

  it.each([
    ["colour", ["sandbox", "sessions"]],
    ["x", ["off", "all"]],
    ["", ["a"]],
    ["a".repeat(1_000_000), ["a"]],
  ])("does not guess %#", (word, known) => {
    expect(nearestWord(word, known)).toBeUndefined();
  });
});

it("lists words and counts the rest", () => {
  expect(listWords(["a", "b"])).toBe("a, b");
  expect(listWords(["a", "b", "c", "d"], 2)).toBe("a, b and 2 more");
});
