import { describe, expect, it } from "vitest";
import { compareFingerprints, fingerprint } from "../../src/desire/fingerprint.ts";

const key = { id: "k1", key: Buffer.alloc(32, 1) };

describe("the fingerprint of a secret", () => {
  it("is a keyed HMAC behind the key's name, frozen", () => {
    expect(fingerprint(key, "TOKEN", "s3cret")).toBe(
      "k1:31f5bcbdbe287f1ea7c63cb606290c3b447e3ed9570aa35df26c454782800ce0",
    );
  });

  it("differs with value, name and key, and holds nothing of the value", () => {
    const all = [
      fingerprint(key, "TOKEN", "s3cret"),
      fingerprint(key, "TOKEN", "s3cret2"),
      fingerprint(key, "OTHER", "s3cret"),
      fingerprint({ ...key, key: Buffer.alloc(32, 2) }, "TOKEN", "s3cret"),
    ];
    expect(new Set(all).size).toBe(all.length);
    for (const each of all) expect(each).toMatch(/^k1:[0-9a-f]{64}$/);
  });

  it("tells name and value apart where one could run into the other", () => {
    expect(fingerprint(key, "A", "BC")).not.toBe(fingerprint(key, "AB", "C"));
  });

  it.each([
    ["k1:aa", "k1:aa", "same"],
    ["k1:aa", "k1:bb", "changed"],
    ["k1:aa", "k2:aa", "unknown"],
    ["k1:aa", "k2:bb", "unknown"],
    [undefined, "k1:aa", "unknown"],
    ["k1:aa", undefined, "unknown"],
    [undefined, undefined, "unknown"],
  ] as const)("%s against %s: %s", (before, after, verdict) => {
    expect(compareFingerprints(before, after)).toBe(verdict);
  });
});
