import * as z from "zod";
import { commandSchema, nonEmptyText, variableName } from "./text.ts";

/** Where a secret's value is found; the value itself never stands in a config. */
export const secretRefSchema = z.union(
  [
    z.strictObject({
      env: variableName.describe("Variable of sandkeep's own environment that holds the value."),
    }),
    z.strictObject({
      file: nonEmptyText.describe("File that holds the value; one trailing newline is dropped."),
    }),
    z.strictObject({
      command: commandSchema.describe(
        'Program and arguments that print the value, such as ["pass", "npm"]. No shell.',
      ),
    }),
  ],
  { error: 'expected exactly one of { env = "NAME" }, { file = "PATH" }, { command = ["PROGRAM"] }' },
);

export const secretsSchema = z.record(variableName, secretRefSchema);

/** `[secrets]`: how this fleet handles secrets as a whole. */
export const secretsSectionSchema = z.strictObject({
  key: secretRefSchema
    .optional()
    .describe(
      "Key for the fingerprints that tell a rotated secret. Give one when several machines apply this fleet.",
    ),
});
