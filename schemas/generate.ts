/**
 * In: the zod schemas, the one source of every format we publish. Out: for each a JSON Schema (draft 2020-12) and the
 * TypeScript declarations made from it, as text by file name; run as a program it writes them beside this file's source.
 * It adds titles and the names of the backends, and decides nothing about the formats themselves.
 */
import { realpathSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { BACKENDS } from "../src/drivers/registry.ts";
import { sandboxSchema } from "../src/config/schema/sandbox.ts";
import type { Format } from "./formats.ts";
import { FORMATS, PARTS } from "./formats.ts";

type JsonSchema = z.core.JSONSchema.JSONSchema;

function jsonSchemaOf(format: Format, metadata: Metadata): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(format.schema, {
    target: "draft-2020-12",
    io: format.io,
    metadata,
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema !== sandboxSchema) return;
      // The schema takes any name, for the sake of a better message; an editor had better know the real ones.
      const { backend } = jsonSchema.properties ?? {};
      if (typeof backend !== "object") throw new Error("the sandbox section has no backend");
      delete backend.pattern;
      backend.enum = [...BACKENDS];
    },
  });
  return {
    ...($schema === undefined ? {} : { $schema }),
    $id: `urn:sandkeep:schema:${format.name}:1`,
    title: `sandkeep ${format.name}`,
    description: format.description,
    ...rest,
  };
}

type Metadata = z.core.$ZodRegistry<z.core.GlobalMeta>;

/** zod's own metadata with names for our parts; a copy, so that generating leaves no trace in the schemas. */
function withPartNames(): Metadata {
  const names = new Map<z.core.$ZodType, string>(Object.entries(PARTS).map(([name, part]) => [part, name]));
  const registry: Metadata = z.registry<z.core.GlobalMeta>();
  registry.get = (schema) => {
    const meta = z.globalRegistry.get(schema);
    const id = names.get(schema);
    return id === undefined ? meta : { ...meta, id };
  };
  return registry;
}

/** Every published file's text by its name. */
export async function generateSchemas(): Promise<ReadonlyMap<string, string>> {
  const { compile } = await import("json-schema-to-typescript");
  const metadata = withPartNames();
  const files = new Map<string, string>();
  for (const format of FORMATS) {
    // zod names the one recursive type it knows, any JSON value, by number.
    const text = `${JSON.stringify(jsonSchemaOf(format, metadata), null, 2)}\n`.replaceAll(
      "__schema0",
      "Json",
    );
    files.set(`${format.name}.schema.json`, text);
    const declarations = await compile(JSON.parse(text), format.name, {
      bannerComment: `// Generated from ${format.name}.schema.json by schemas/generate.ts.`,
      additionalProperties: false,
      style: { printWidth: 110 },
    });
    files.set(`${format.name}.d.ts`, declarations);
  }
  return files;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // Built, this file is dist/schemas/generate.js.
  const folder = join(import.meta.dirname, "../../schemas");
  for (const [name, text] of await generateSchemas()) await writeFile(join(folder, name), text);
}
