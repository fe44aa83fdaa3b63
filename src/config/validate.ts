import type { Diagnostic } from "../model/diagnostic.ts";
import { diagnose } from "./document.ts";
import { explainIssues } from "./issues.ts";
import { nearestKey } from "./key-tree.ts";
import type { Merged } from "./merge.ts";
import { checkReferences } from "./references.ts";
import { CONFIG_VERSIONS, type Config, configSchema } from "./schema/root.ts";

export interface Validation {
  readonly config: Config | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * The merged values against the schema and against each other. Unless `complete`, some files could not be
 * read: a name that seems to refer to nothing may well be in one of them, so references are not judged.
 */
export function validate(merged: Merged, backends: readonly string[], complete: boolean): Validation {
  const version = merged.value["version"];
  if (typeof version === "number" && !CONFIG_VERSIONS.includes(version)) {
    return { config: undefined, diagnostics: [unknownVersion(merged, version)] };
  }
  const outcome = safeParse(merged);
  if (outcome === undefined) return { config: undefined, diagnostics: [tooManyProblems(merged)] };
  const seen = { schema: configSchema, value: merged.value, keys: merged.keys, path: [] };
  const diagnostics = outcome.success ? [] : explainIssues(outcome.error.issues, seen);
  const references = complete ? checkReferences(merged, backends) : [];
  return { config: outcome.data, diagnostics: [...diagnostics, ...references] };
}

/** Undefined when there are so many issues (beyond 100,000) that collecting them overflows zod's call stack. */
function safeParse(merged: Merged): ReturnType<typeof configSchema.safeParse> | undefined {
  try {
    return configSchema.safeParse(merged.value);
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}

function tooManyProblems(merged: Merged): Diagnostic {
  return diagnose(merged.keys, {
    code: "too-many-problems",
    message: "more problems than can be listed; this does not look like a sandkeep config",
    hint: "start over from `sandkeep init`",
  });
}

/** Alone, because every other complaint would judge a file by the rules of another version. */
function unknownVersion(merged: Merged, version: number): Diagnostic {
  return diagnose(nearestKey(merged.keys, ["version"]), {
    code: "unknown-version",
    message: `config version ${version} is unknown; this sandkeep reads version ${CONFIG_VERSIONS.join(", ")}`,
    hint: "write version = 1, or install a sandkeep that reads this version",
    path: ["version"],
  });
}
