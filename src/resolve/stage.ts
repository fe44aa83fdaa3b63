import type { Config } from "../config/schema/root.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath, Source } from "../model/source.ts";
import type { StageSettings } from "../model/stage.ts";
import { STAGE } from "./defaults.ts";
import { errorAt } from "./diagnose.ts";

/** `[stage]` with its defaults filled in. */
export function resolveStage(written: Config["stage"]): StageSettings {
  return {
    auto_apply: written?.auto_apply ?? STAGE.auto_apply,
    deny: written?.deny ?? STAGE.deny,
    max_bytes: written?.max_bytes ?? STAGE.max_bytes,
    git_ignored: written?.git_ignored ?? STAGE.git_ignored,
  };
}

/** A pattern cannot both be applied without asking and never be. */
export function checkStage(
  { auto_apply, deny }: StageSettings,
  locate: (path: KeyPath) => Source | undefined,
): readonly Diagnostic[] {
  return auto_apply.flatMap((pattern, index) => {
    if (!deny.includes(pattern)) return [];
    const key = ["stage", "auto_apply", index];
    const source = locate(key);
    return errorAt(source === undefined ? { key } : { key, source }, {
      code: "stage-contradiction",
      message: `${JSON.stringify(pattern)} is in auto_apply and in deny`,
      hint: "take it out of one of the two",
    });
  });
}
