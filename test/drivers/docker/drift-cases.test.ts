import { expect, it } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import { DRIFT_CASES, UNSEEN } from "../../e2e/drift-cases.ts";

const rows = dockerDriver.fields.map(({ path }) => path);
const cases = new Set(DRIFT_CASES.flatMap(({ field }) => (field === null ? [] : [field])));

it("every field of the table is changed behind our back by a test, or cannot be and says why", () => {
  expect(rows.filter((path) => !cases.has(path) && UNSEEN[path] === undefined)).toEqual([]);
  expect(Object.keys(UNSEEN).filter((path) => cases.has(path))).toEqual([]);
});

it("no case and no reason is about a field that the table does not have", () => {
  expect([...cases, ...Object.keys(UNSEEN)].filter((path) => !rows.includes(path))).toEqual([]);
});

it("each agent meddles in one way", () => {
  const agents = DRIFT_CASES.map(({ agent }) => agent);
  expect(new Set(agents).size).toBe(agents.length);
});
