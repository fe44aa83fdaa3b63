/** In: a file with a `[sandbox]` table, or with the keys of one. Out: the table, checked by the config's own schema. */
import { readFile } from "node:fs/promises";
import { parseText } from "../../config/parse.ts";
import type { SandboxSettings } from "../../config/schema/sandbox.ts";
import { sandboxSchema } from "../../config/schema/sandbox.ts";
import { SandkeepError, toError } from "../../errors.ts";

/** Throws PROFILE (exit 78) with the first thing that is wrong. */
export async function readProfile(path: string): Promise<SandboxSettings> {
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    throw wrong(path, toError(thrown).message);
  });
  const { parsed, diagnostics } = await parseText(path, text);
  const fault = diagnostics.find(({ severity }) => severity === "error");
  if (parsed === undefined || fault !== undefined)
    throw wrong(path, fault?.message ?? "nothing can be read of it");
  const table = parsed.value["sandbox"] ?? parsed.value;
  const found = sandboxSchema.safeParse(table);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw wrong(path, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "it is no [sandbox] table"}`);
}

function wrong(path: string, why: string): SandkeepError {
  return new SandkeepError(`the profile ${path} cannot be used: ${why}`, {
    code: "PROFILE",
    hint: "a profile holds the keys of a [sandbox] table",
    exitCode: 78,
  });
}
