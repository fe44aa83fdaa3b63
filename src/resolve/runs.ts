import type { Config } from "../config/schema/root.ts";
import type { RunsSettings } from "../model/settings.ts";
import { RUNS } from "./defaults.ts";

/** `[runs]` with its defaults filled in. */
export function resolveRuns(written: Config["runs"]): RunsSettings {
  const cleanup = written?.cleanup;
  const older = cleanup?.older_than ?? RUNS.cleanup.older_than;
  return {
    ephemeral_ttl: written?.ephemeral_ttl ?? RUNS.ephemeral_ttl,
    artifacts: written?.artifacts ?? RUNS.artifacts,
    max_artifacts: written?.max_artifacts ?? RUNS.max_artifacts,
    max_log: written?.max_log ?? RUNS.max_log,
    cleanup: {
      automatic: cleanup !== undefined,
      older_than: older === "off" ? 0 : older,
      failed_only: cleanup?.failed_only ?? RUNS.cleanup.failed_only,
      source: cleanup?.source ?? RUNS.cleanup.source,
    },
  };
}
