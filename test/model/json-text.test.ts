import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeLabels } from "../../src/model/labels.ts";
import { parseJson } from "../../src/model/json-text.ts";

it("reads every text that JSON.parse reads, as it does", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      expect(parseJson(text)).toEqual(JSON.parse(text));
    }),
  );
});

it.each(["", "{", "nul", '"\\', "]"])("takes %j for none", (text) => {
  expect(parseJson(text)).toBeUndefined();
});

it("reads nothing that nests deeper than anything of ours, wherever it stands", () => {
  const nested = (depth: number): string => `${'{"a":['.repeat(depth)}${"]}".repeat(depth)}`;
  expect(parseJson(nested(32))).toBeDefined();
  expect(parseJson(nested(33))).toBeUndefined();
  expect(parseJson(nested(100_000))).toBeUndefined();
  expect(parseJson(JSON.stringify(["[".repeat(200), '\\"['.repeat(200)]))).toHaveLength(2);
  const labels = {
    "sandkeep.fleet": "team",
    "sandkeep.address": "agent/a",
    "sandkeep.name": "a",
    "sandkeep.role": "primary",
    "sandkeep.spec-hash": `v1:sha256:${"0".repeat(64)}`,
  };
  const spec = (values: string): string => `{"backend":"ssh","values":${values}}`;
  expect(decodeLabels({ ...labels, "sandkeep.spec": spec("{}") })).toBeDefined();
  expect(decodeLabels({ ...labels, "sandkeep.spec": spec(nested(100_000)) })).toBeUndefined();
});
