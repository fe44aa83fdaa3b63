import * as z from "zod";

type Schema = z.core.$ZodType;

/** What the schema says about one key path. */
export interface SchemaSpot {
  /** Keys that may stand here; undefined when this is no table with fixed keys. */
  readonly keys: readonly string[] | undefined;
  /** Sections of this table that know a key, as `docker` knows `image`. */
  sectionsWith(key: string): readonly string[];
  /** What a person reads about the key: the nearest description on the way. */
  readonly description: string | undefined;
}

/** Follows a key path through tables, records, arrays and either side of a union. */
export function schemaSpot(schema: Schema, path: readonly PropertyKey[]): SchemaSpot {
  let spots: readonly Schema[] = [schema];
  let description: string | undefined;
  for (const key of path) {
    spots = spots.flatMap((spot) => step(spot, key));
    description = spots.map(describe).find((text) => text !== undefined) ?? description;
  }
  const tables = spots.flatMap(unwrap).filter((spot) => spot instanceof z.ZodObject);
  return {
    keys: tables.length === 0 ? undefined : tables.flatMap((table) => Object.keys(table.shape)),
    sectionsWith: (key) => tables.flatMap((table) => sectionsWith(table.shape, key)),
    description,
  };
}

function sectionsWith(shape: Readonly<Record<string, Schema>>, key: string): readonly string[] {
  return Object.entries(shape)
    .filter(([, section]) => step(section, key).length > 0 && unwrap(section).some(isFixedTable))
    .map(([name]) => name);
}

function isFixedTable(schema: Schema): boolean {
  return schema instanceof z.ZodObject;
}

function step(schema: Schema, key: PropertyKey): readonly Schema[] {
  return unwrap(schema).flatMap((spot) => {
    if (spot instanceof z.ZodObject) {
      const shape: Readonly<Record<string, Schema>> = spot.shape;
      const child = typeof key === "string" && Object.hasOwn(shape, key) ? shape[key] : undefined;
      return child === undefined ? [] : [child];
    }
    if (spot instanceof z.ZodRecord) return [spot.valueType];
    if (spot instanceof z.ZodArray) return [spot.element];
    return [];
  });
}

/** The schemas a person writes against: without optional, the input side of a codec, each side of a union. */
function unwrap(schema: Schema): readonly Schema[] {
  if (schema instanceof z.ZodOptional) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrap);
  return [schema];
}

function describe(schema: Schema): string | undefined {
  return z.globalRegistry.get(schema)?.description;
}
