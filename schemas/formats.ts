/** The formats that we publish, each with the zod schema that is its one source, and the parts that several of them share. */
import * as z from "zod";
import { importSchema } from "../src/config/import/report.ts";
import { lockSchema } from "../src/config/lock.ts";
import { dockerSchema } from "../src/config/schema/docker.ts";
import { agentSchema, configSchema } from "../src/config/schema/root.ts";
import { sandboxSchema } from "../src/config/schema/sandbox.ts";
import { secretRefSchema } from "../src/config/schema/secret.ts";
import { toolsSchema } from "../src/config/schema/tools.ts";
import { bundledSchema, bundleManifestSchema, bundleVerificationSchema } from "../src/model/bundle.ts";
import { runArtifactsSchema } from "../src/model/artifacts.ts";
import { canaryHistorySchema, canaryReportSchema } from "../src/model/canary.ts";
import { diagnosticSchema } from "../src/model/diagnostic.ts";
import { doctorSchema } from "../src/model/doctor.ts";
import { eventSchema } from "../src/model/event.ts";
import { explainedAgentSchema, explanationSchema, toolVerdictSchema } from "../src/model/explain.ts";
import {
  hostInspectionSchema,
  hostListSchema,
  hostReapSchema,
  hostSnapshotSchema,
  hostStaleSchema,
  staleSchema,
} from "../src/model/host.ts";
import { imageCheckSchema, imageListSchema, imageLockSchema, imagePruneSchema } from "../src/model/images.ts";
import { recordedEventSchema } from "../src/model/recorded-event.ts";
import { listedRuntimeSchema, listingSchema } from "../src/model/listing.ts";
import { applyResultSchema, outcomeSchema } from "../src/model/outcome.ts";
import { lanesSchema } from "../src/model/lanes.ts";
import { postureSchema } from "../src/model/posture.ts";
import { changeSchema, nodeSchema, planSchema, reasonSchema } from "../src/model/plan.ts";
import { listedRunSchema } from "../src/model/run.ts";
import {
  runIndexSchema,
  runInspectionSchema,
  runLedgerStatusSchema,
  runListSchema,
  rerunSchema,
  runCleanupSchema,
  runPathsSchema,
  runTailSchema,
} from "../src/model/run-answers.ts";
import { runManifestSchema } from "../src/model/run-manifest.ts";
import {
  listedStageSchema,
  stageApplySchema,
  stageChangeSchema,
  stageDiffSchema,
  stageDiscardSchema,
  stageExportSchema,
  stageListSchema,
  stageSchema,
} from "../src/model/stage.ts";
import { syncSchema } from "../src/model/sync.ts";
import { triageSchema } from "../src/model/triage.ts";
import { salvageSettingsSchema } from "../src/model/salvage.ts";
import {
  bundleExtractSchema,
  bundleListSchema,
  bundlePruneSchema,
  listedBundleSchema,
} from "../src/model/salvage-bundle.ts";
import { sourceSchema } from "../src/model/source.ts";

export interface Format {
  readonly name: string;
  readonly schema: z.ZodType;
  /** What a person writes is described before defaults and units are worked out, what we write after. */
  readonly io: "input" | "output";
  readonly description: string;
}

export const FORMATS: readonly Format[] = [
  {
    name: "config",
    schema: configSchema,
    io: "input",
    description: "sandkeep.toml: what one fleet should be.",
  },
  {
    name: "plan",
    schema: planSchema,
    io: "output",
    description: "Answer of `sandkeep plan --json`, and the file that `plan --out` saves.",
  },
  {
    name: "apply",
    schema: applyResultSchema,
    io: "output",
    description: "Answer of `sandkeep apply`, `recreate`, `prune` and `destroy` with --json.",
  },
  {
    name: "import",
    schema: importSchema,
    io: "output",
    description: "Answer of `sandkeep import --json`.",
  },
  {
    name: "doctor",
    schema: doctorSchema,
    io: "output",
    description: "Answer of `sandkeep doctor --json` and `runs doctor --json`.",
  },
  {
    name: "event",
    schema: eventSchema,
    io: "output",
    description: "One line of `sandkeep watch --json`.",
  },
  {
    name: "events",
    schema: recordedEventSchema,
    io: "output",
    description: "One line of `sandkeep events --json`.",
  },
  {
    name: "explain",
    schema: explanationSchema,
    io: "output",
    description: "Answer of `sandkeep explain --json`.",
  },
  {
    name: "canary",
    schema: z.union([canaryReportSchema, canaryHistorySchema]),
    io: "output",
    description:
      "Answers of `sandkeep canary` and `canary history` with --json, in this order; the first is also what is kept and exported.",
  },
  {
    name: "host",
    schema: z.union([hostListSchema, hostInspectionSchema, hostStaleSchema, hostReapSchema]),
    io: "output",
    description: "Answers of `sandkeep host list`, `inspect`, `stale` and `reap` with --json, in this order.",
  },
  {
    name: "images",
    schema: z.union([imageListSchema, imageCheckSchema, imageLockSchema, imagePruneSchema]),
    io: "output",
    description:
      "Answers of `sandkeep images list`, `check`, `lock` (and `update`) and `prune` with --json, in this order.",
  },
  {
    name: "lock",
    schema: lockSchema,
    io: "output",
    description: "sandkeep.lock: which image each pinned reference is. Written by `sandkeep images`.",
  },
  { name: "list", schema: listingSchema, io: "output", description: "Answer of `sandkeep list --json`." },
  {
    name: "run",
    schema: runManifestSchema,
    io: "output",
    description: "Answer of `sandkeep run --json` and `shell --json`, and the `manifest.json` of each run.",
  },
  {
    name: "runs",
    schema: z.union([
      runListSchema,
      runLedgerStatusSchema,
      runInspectionSchema,
      runTailSchema,
      runPathsSchema,
      runIndexSchema,
      runArtifactsSchema,
      runCleanupSchema,
      rerunSchema,
      triageSchema,
    ]),
    io: "output",
    description:
      "Answers of `sandkeep runs list`, `status`, `inspect`, `tail`, `open`, `rebuild-index`, `cleanup`, `rerun` and `triage` with --json, in this order.",
  },
  {
    name: "bundle",
    schema: z.union([bundledSchema, bundleVerificationSchema, bundleManifestSchema]),
    io: "output",
    description:
      "Answers of `sandkeep runs bundle` and `verify-bundle` with --json, and a bundle's `manifest.json`, in this order.",
  },
  {
    name: "salvage",
    schema: z.union([bundleListSchema, bundleExtractSchema, bundlePruneSchema]),
    io: "output",
    description: "Answers of `sandkeep salvage list`, `extract` and `prune` with --json, in this order.",
  },
  { name: "lanes", schema: lanesSchema, io: "output", description: "Answer of `sandkeep lanes --json`." },
  {
    name: "status",
    schema: postureSchema,
    io: "output",
    description: "Answer of `sandkeep status --json`.",
  },
  {
    name: "stage",
    schema: z.union([
      stageListSchema,
      stageDiffSchema,
      stageApplySchema,
      stageDiscardSchema,
      stageExportSchema,
    ]),
    io: "output",
    description:
      "Answers of `sandkeep stage list`, `diff`, `apply`, `discard` and `export` with --json, in this order.",
  },
  {
    name: "sync",
    schema: syncSchema,
    io: "output",
    description: "Answer of `sandkeep sync pull`, `push` and `status` with --json.",
  },
  {
    name: "validate",
    schema: z.strictObject({ ok: z.boolean(), diagnostics: z.array(diagnosticSchema) }),
    io: "output",
    description: "Answer of `sandkeep validate --json`.",
  },
];

/** Parts that several places use, or that a reader looks for by name: each is written once, under `$defs`. */
export const PARTS: Readonly<Record<string, z.ZodType>> = {
  HostSnapshot: hostSnapshotSchema,
  StaleThing: staleSchema,
  Sandbox: sandboxSchema,
  Agent: agentSchema,
  ContainerSettings: dockerSchema,
  Tools: toolsSchema,
  SecretReference: secretRefSchema,
  Diagnostic: diagnosticSchema,
  Source: sourceSchema,
  Change: changeSchema,
  Reason: reasonSchema,
  GraphNode: nodeSchema,
  Outcome: outcomeSchema,
  ListedRun: listedRunSchema,
  ListedRuntime: listedRuntimeSchema,
  RunManifest: runManifestSchema,
  ExplainedAgent: explainedAgentSchema,
  ToolVerdict: toolVerdictSchema,
  ListedBundle: listedBundleSchema,
  SalvageSettings: salvageSettingsSchema,
  Stage: stageSchema,
  StageChange: stageChangeSchema,
  ListedStage: listedStageSchema,
};
