import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskSecrets, StreamMask } from "../../src/util/secret-mask.ts";

function inPieces(text: Buffer, cuts: readonly number[], secrets: readonly string[]): Buffer {
  const mask = new StreamMask(secrets);
  const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).toSorted((a, b) => a - b), text.length];
  const pieces = places.slice(1).map((to, index) => mask.push(text.subarray(places[index], to)));
  return Buffer.concat([...pieces, mask.end()]);
}

// Few letters, so that secrets are found, overlap and nearly match.
const word = fc.string({ unit: fc.constantFrom("a", "b", "é"), minLength: 1, maxLength: 6 });

describe("a stream of masked output", () => {
  it("is the masked whole, wherever it is cut", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "b", "é", "-"), maxLength: 60 }),
        fc.array(word, { maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (text, secrets, cuts) => {
          expect(inPieces(Buffer.from(text), cuts, secrets).toString()).toBe(maskSecrets(text, secrets));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("is exact but for the secrets, also where it is no text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
        const text = Buffer.from(bytes);
        expect(inPieces(text, cuts, ["no such secret"]).equals(text)).toBe(true);
      }),
    );
  });

  it("holds back only what may become a secret", () => {
    const mask = new StreamMask(["hunter2"]);
    expect(mask.push(Buffer.from("my hunt")).toString()).toBe("my ");
    expect(mask.push(Buffer.from("ing")).toString()).toBe("hunting");
    expect(mask.push(Buffer.from("hunter2!")).toString()).toBe("***!");
    expect(mask.push(Buffer.from("hunter")).toString()).toBe("");
    expect(mask.end().toString()).toBe("hunter");
  });

  it("masks a secret of several lines as a terminal writes it", () => {
    const mask = new StreamMask(["one\ntwo"]);
    expect(Buffer.concat([mask.push(Buffer.from("one\r\ntw")), mask.push(Buffer.from("o"))]).toString()).toBe(
      "***",
    );
  });
});
