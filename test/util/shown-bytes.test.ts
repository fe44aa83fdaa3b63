import fc from "fast-check";
import { expect, test } from "vitest";
import { textOfBytes } from "../../src/util/shown-bytes.ts";

test.each([
  [Buffer.from("plain ✓\u0000"), "plain ✓\u0000"],
  [Buffer.from([0x61, 0xff, 0x62]), "a\\xffb"],
  [Buffer.from([0xe2, 0x9c]), "\\xe2\\x9c"],
  [Buffer.concat([Buffer.from([0xc3]), Buffer.from("é😀"), Buffer.from([0xf0, 0x9f])]), "\\xc3é😀\\xf0\\x9f"],
])("%j is %j", (bytes, text) => {
  expect(textOfBytes(bytes)).toBe(text);
});

// The library's own arbitrary of any text first makes a table of all of Unicode, which takes seconds.
const character = fc
  .integer({ min: 0, max: 0x10ffff })
  .map((code) => (code >= 0xd800 && code < 0xe000 ? "-" : String.fromCodePoint(code)));

test("well-formed text is itself", () => {
  fc.assert(
    fc.property(fc.array(character), (characters) => {
      const text = characters.join("");
      expect(textOfBytes(Buffer.from(text))).toBe(text);
    }),
  );
});
