import { readFile } from "node:fs/promises";
import { SandkeepError, toError } from "../errors.ts";
import type { Plan } from "../model/plan.ts";
import { planSchema } from "../model/plan.ts";
import { PLAN_FORMAT } from "../model/plan-format.ts";
import { planId } from "../plan/plan-id.ts";
import { EXIT } from "./exit-codes.ts";

/** Readable by its owner only: a plan tells paths, images and what is running where. */
const MODE = 0o600;

export async function savePlan(plan: Plan, path: string): Promise<void> {
  const { default: writeFileAtomic } = await import("write-file-atomic");
  try {
    await writeFileAtomic(path, `${JSON.stringify(plan, null, 2)}\n`, { mode: MODE, fsync: true });
  } catch (error) {
    throw new SandkeepError(`cannot write the plan to ${path}: ${toError(error).message}`, {
      code: "PLAN_NOT_SAVED",
      hint: "Check the folder and its owner.",
      cause: error,
    });
  }
}

function unusable(path: string, why: string, cause?: unknown): SandkeepError {
  return new SandkeepError(`${path} is no plan that can be applied: ${why}`, {
    code: "PLAN_UNREADABLE",
    hint: "Make it again with `sandkeep plan --out FILE`.",
    exitCode: EXIT.usage,
    cause,
  });
}

function major(format: unknown): string | undefined {
  return typeof format === "string" ? format.split(".")[0] : undefined;
}

/** A plan that `plan --out` wrote. */
export async function readPlan(path: string): Promise<Plan> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw unusable(path, toError(error).message, error);
  }
  const format =
    typeof value === "object" && value !== null && "format_version" in value
      ? value.format_version
      : undefined;
  if (major(format) !== major(PLAN_FORMAT)) {
    throw unusable(
      path,
      `its format is ${JSON.stringify(format) ?? "unknown"}, this sandkeep reads ${PLAN_FORMAT}`,
    );
  }
  const parsed = planSchema.safeParse(value);
  if (parsed.success) {
    const { at, plan_id } = parsed.data;
    if (at !== null)
      throw unusable(path, `it tells what would happen at ${at}, and would do today what belongs to then`);
    // What was weighed against the rules and approved is what is applied.
    if (planId(parsed.data) !== plan_id) throw unusable(path, "it was changed after it was made");
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  throw unusable(
    path,
    issue === undefined ? "unknown" : `${issue.path.map(String).join(".")}: ${issue.message}`,
  );
}
