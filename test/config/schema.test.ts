import { describe, expect, it } from "vitest";
import * as z from "zod";
import { configSchema } from "../../src/config/schema/root.ts";
import { isTable } from "../../src/config/table.ts";

const schema: unknown = z.toJSONSchema(configSchema, { io: "input" });

/** Every key of every table in the schema, with its own schema. */
function keysOf(node: unknown, path = ""): readonly (readonly [string, Readonly<Record<string, unknown>>])[] {
  if (Array.isArray(node)) return node.flatMap((item) => keysOf(item, path));
  if (!isTable(node)) return [];
  const own = isTable(node["properties"]) ? Object.entries(node["properties"]) : [];
  return [
    ...own.flatMap(([key, child]) => {
      const here = path === "" ? key : `${path}.${key}`;
      return isTable(child) ? [[here, child] as const, ...keysOf(child, here)] : [];
    }),
    ...keysOf(node["items"], `${path}[]`),
    ...keysOf(node["additionalProperties"], `${path}.*`),
    ...keysOf(node["anyOf"], path),
  ];
}

describe("the published schema", () => {
  const keys = keysOf(schema);

  it("describes every key, for the editor", () => {
    expect(keys.length).toBeGreaterThan(120);
    expect(
      keys.filter(([, child]) => typeof child["description"] !== "string").map(([path]) => path),
    ).toEqual([]);
  });

  it("allows no unknown key in any table", () => {
    const open = keys.filter(
      ([, child]) => isTable(child["properties"]) && child["additionalProperties"] !== false,
    );
    expect(open.map(([path]) => path)).toEqual([]);
  });

  it("speaks of what people write, not of what it becomes", () => {
    const at = new Map(keys);
    expect(at.get("sandbox.docker.memory")).toMatchObject({
      anyOf: [{ type: "string" }, { type: "integer" }],
    });
    expect(at.get("sandbox.prune.idle")).toMatchObject({
      anyOf: [{ type: "string" }, { const: "off" }, { const: 0 }],
    });
    expect(at.get("sandbox.docker.binds")).toMatchObject({ type: "array", items: { type: "string" } });
  });

  it("requires only what names the fleet", () => {
    expect(schema).toMatchObject({ required: ["version", "fleet"], additionalProperties: false });
  });
});

it("a config reads back from its own output", () => {
  const written = {
    version: 1,
    fleet: "team",
    sandbox: {
      prune: { idle: "1h30m", max_age: "off" },
      docker: { memory: "2GiB", memory_swap: "unlimited", binds: ["./a:/a:ro"] },
      ready: { command: ["true"], timeout: "30s" },
    },
  } as const;
  const config = configSchema.parse(written);
  expect(z.encode(configSchema, config)).toEqual(written);
});
