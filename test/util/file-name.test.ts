import * as fc from "fast-check";
import { expect, it } from "vitest";
import { decodeFileName, encodeFileName } from "../../src/util/file-name.ts";

it("stands for one text and stays in its folder", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
      const name = encodeFileName(text);
      expect(name).not.toMatch(/[/\\\0]|^\./);
      expect(decodeFileName(name)).toBe(text);
    }),
  );
});

it.each(["a b", "%zz", "%2e", ".hidden"])("%j is no name of ours", (name) => {
  expect(decodeFileName(name)).toBeUndefined();
});
