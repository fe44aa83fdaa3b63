import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HASH_VERSION, specHash } from "../../src/desire/hash.ts";
import { normaliseSpec } from "../../src/desire/normalise.ts";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import { liveField, recreateField } from "../../src/model/fields.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { Settings } from "../../src/model/settings.ts";
import type { Spec } from "../../src/model/spec.ts";
import { equalJson } from "../../src/util/json-path.ts";
import { paths, settingsOf } from "../support/runtimes.ts";
import golden from "./golden/spec-hash.json" with { type: "json" };

/**
 * The vectors are frozen: runtimes in the field carry these hashes, and one that changed would recreate them all.
 * Whoever must change a vector adds a new algorithm version beside the old one, and new vectors for it.
 */
describe(`golden vectors of version ${golden.version}`, () => {
  it("are of the version in use", () => {
    expect(HASH_VERSION).toBe(golden.version);
  });

  it.each(golden.vectors)("$title", async ({ backend, settings, spec, hash }) => {
    const module = await builtInDrivers[backend]?.();
    if (module === undefined) throw new Error(`no driver ${backend}`);
    const read: Spec = { kind: "sandbox", backend, values: spec.values };
    expect(specHash(read, module.fields)).toBe(hash);
    // Turned round: the order of a config's keys is nobody's intention.
    expect(specHash({ ...read, values: reverseKeys(read.values) }, module.fields)).toBe(hash);
    const seccomp = { "/repo/seccomp.json": '{ "b": 1,\n "a": [] }' };
    const facts = { ...paths, readText: (path: string) => new Map(Object.entries(seccomp)).get(path) };
    const made = settingsOf({ ...(settings as Partial<Settings>), backend });
    const normalised = normaliseSpec("sandbox", made, module, undefined, facts);
    expect(normalised.values).toEqual(spec.values);
  });
});

function reverseKeys(value: JsonObject): JsonObject {
  const turned = Object.entries(value)
    .toReversed()
    .map(([key, each]) => [
      key,
      typeof each === "object" && each !== null && !Array.isArray(each)
        ? reverseKeys(each as JsonObject)
        : each,
    ]);
  return Object.fromEntries(turned);
}

const rows = [
  recreateField("a", "why"),
  recreateField("b.c", "why"),
  liveField("d", "why"),
  recreateField("young", "why", { introduced_default: false }),
  recreateField("list", "why", { introduced_default: [] }),
];
const specOf = (values: JsonObject, more: Partial<Spec> = {}): Spec => ({
  kind: "sandbox",
  backend: "memory",
  values,
  ...more,
});
const hashOf = (values: JsonObject, more: Partial<Spec> = {}): string => specHash(specOf(values, more), rows);

describe("the spec hash", () => {
  it("leaves out fields younger than it at their introduction default, and only there", () => {
    const before = specHash(specOf({ a: 1 }), rows.slice(0, 3));
    expect(hashOf({ a: 1 })).toBe(before);
    expect(hashOf({ a: 1, young: false, list: [] })).toBe(before);
    expect(hashOf({ a: 1, young: true })).not.toBe(before);
    expect(hashOf({ a: 1, list: ["x"] })).not.toBe(before);
  });

  it("does not see fields that are not hashed, or that no row knows", () => {
    expect(hashOf({ a: 1, d: 1, other: 1 })).toBe(hashOf({ a: 1, d: 2 }));
  });

  it("tells absent from false, zero, empty and null", () => {
    const values = [{}, { a: false }, { a: 0 }, { a: "" }, { a: [] }, { a: {} }, { a: null }];
    expect(new Set(values.map((each) => hashOf(each))).size).toBe(values.length);
    expect(hashOf({ a: undefined })).toBe(hashOf({}));
  });

  it("depends on kind and backend", () => {
    expect(hashOf({ a: 1 }, { kind: "browser" })).not.toBe(hashOf({ a: 1 }));
    expect(hashOf({ a: 1 }, { backend: "docker" })).not.toBe(hashOf({ a: 1 }));
  });

  it("is equal for equal hashed values and for no others", () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const values = fc.record({ a: value, b: fc.record({ c: value }) });
    fc.assert(
      fc.property(values, values, (left, right) => {
        const l = left as JsonObject;
        const r = right as JsonObject;
        // JSON has one zero.
        fc.pre(!JSON.stringify([left, right]).includes("-0"));
        expect(hashOf(l)).toMatch(/^v1:sha256:[0-9a-f]{64}$/);
        expect(hashOf(reverseKeys(l))).toBe(hashOf(l));
        expect(hashOf(l) === hashOf(r)).toBe(equalJson(l, r));
      }),
      { numRuns: 300 },
    );
  });
});
