import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { generateSchemas } from "../../schemas/generate.ts";
import { initTemplate } from "../../src/config/template.ts";
import { parseText } from "../../src/config/parse.ts";
import { BACKENDS } from "../../src/drivers/registry.ts";

const folder = join(import.meta.dirname, "../../schemas");
const generated = await generateSchemas();
const schemas = [...generated.keys()].filter((name) => name.endsWith(".schema.json"));

function compiled(name: string) {
  // Formats restate patterns; an unknown keyword would be a mistake of ours, so the rest is strict.
  const ajv = new Ajv2020({ validateFormats: false, allErrors: true, allowUnionTypes: true });
  return ajv.compile(JSON.parse(generated.get(name) ?? ""));
}

async function valueOf(text: string): Promise<unknown> {
  const { parsed, diagnostics } = await parseText("sandkeep.toml", text);
  expect(diagnostics).toEqual([]);
  // Without the null prototypes, which a validator need not know.
  return JSON.parse(JSON.stringify(parsed?.value));
}

describe("published formats", () => {
  test.each([...generated.keys()])("%s is what the schemas of today give", async (name) => {
    expect(await readFile(join(folder, name), "utf8")).toBe(generated.get(name));
  });

  test("no other file passes for one", async () => {
    const published = (await readdir(folder)).filter((name) => !["formats.ts", "generate.ts"].includes(name));
    expect(published.toSorted()).toEqual([...generated.keys()].toSorted());
  });

  test.each(schemas)("%s compiles, and says what it is", (name) => {
    const schema: { readonly $id: string; readonly $schema: string; readonly description: string } =
      JSON.parse(generated.get(name) ?? "");
    expect(compiled(name)).toBeTypeOf("function");
    expect(schema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
    expect(schema.$id).toBe(`urn:sandkeep:schema:${name.replace(".schema.json", "")}:1`);
    expect(schema.description).not.toBe("");
  });
});

describe("config.schema.json", () => {
  const validate = compiled("config.schema.json");

  test.each(BACKENDS)("takes what init writes for %s", async (backend) => {
    const text = initTemplate({ fleet: "demo", fleetId: "k3v9q2", backend });
    expect(validate(await valueOf(text)), JSON.stringify(validate.errors)).toBe(true);
  });

  test.each([
    ["a backend that does not exist", 'sandbox.backend = "dokcer"', "/sandbox/backend"],
    ["a backend of one agent", '[agents.a.sandbox]\nbackend = "lokal"', "/agents/a/sandbox/backend"],
    ["an unknown key", "sandbox.scpoe = 1", "/sandbox"],
    ["a duration without a unit", "sandbox.prune.idle = 36", "/sandbox/prune/idle"],
    ["a bad agent name", "[agents.'a b']", "/agents"],
  ])("refuses %s", async (_, line, path) => {
    expect(validate(await valueOf(`version = 1\nfleet = "demo"\n${line}\n`))).toBe(false);
    expect(validate.errors?.map((each) => each.instancePath)).toContain(path);
  });

  test("describes every key", () => {
    const bare: string[] = [];
    const visit = (schema: unknown, path: string): void => {
      if (typeof schema !== "object" || schema === null) return;
      for (const [key, value] of Object.entries(schema)) {
        if (key === "properties" && typeof value === "object" && value !== null) {
          for (const [name, each] of Object.entries(value)) {
            if (!("description" in Object(each))) bare.push(`${path}.${name}`);
          }
        }
        visit(value, `${path}.${key}`);
      }
    };
    visit(JSON.parse(generated.get("config.schema.json") ?? ""), "");
    expect(bare).toEqual([]);
  });
});
