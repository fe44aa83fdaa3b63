import * as z from "zod";
import { KEPT_BY_SHELLS } from "../../util/shell-word.ts";
import { about, commandSchema, nonEmptyText, textOf, variableName } from "./text.ts";

const fromVariable = z.strictObject({
  env: variableName.describe("Variable of sandkeep's own environment that holds the value."),
});
const fromFile = z.strictObject({
  file: nonEmptyText.describe("File that holds the value; one trailing newline is dropped."),
});
const fromProgram = z.strictObject({
  command: commandSchema.describe(
    'Program and arguments that print the value, such as ["pass", "npm"]. No shell.',
  ),
});

const expected = {
  error: 'expected exactly one of { env = "NAME" }, { file = "PATH" }, { command = ["PROGRAM"] }',
};

/** Where a secret's value is found; the value itself never stands in a config. */
export const secretRefSchema = z.union([fromVariable, fromFile, fromProgram], expected);

const consumers = {
  for: z
    .array(z.enum(["run", "setup", "command"]))
    .min(1, { error: 'name at least one of "run", "setup", "command"' })
    .optional()
    .apply(
      about,
      "Who gets it: commands that are run, the setup of a new sandbox, the main program of a container (docker.command). Run and setup by default; on buildkit run alone, since setup lines are cached there.",
    ),
};

const secretSchema = z.union(
  [fromVariable.extend(consumers), fromFile.extend(consumers), fromProgram.extend(consumers)],
  {
    error: `${expected.error}, if need be with for = ["run", "setup", "command"]`,
  },
);

/** A shell may have to take it into its environment; PATH, where programs are, goes openly. */
const secretName = textOf(
  new RegExp(`^(?!(?:PATH|${KEPT_BY_SHELLS.join("|")})$)[A-Za-z_][A-Za-z0-9_]*$`),
  "a variable name of letters, digits and underscores that starts with no digit, and is neither PATH nor one that shells keep for themselves",
);

export const secretsSchema = z.record(secretName, secretSchema);

/** `[secrets]`: how this fleet handles secrets as a whole. */
export const secretsSectionSchema = z.strictObject({
  key: secretRefSchema
    .optional()
    .apply(
      about,
      "Key for the fingerprints that tell a rotated secret. Give one when several machines apply this fleet.",
    ),
});
