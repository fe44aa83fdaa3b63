/**
 * The public API: what the command line is made of, for programs. Everything takes an `Engine`, the world outside, and
 * importing this does nothing by itself. Config faults come back as diagnostics; every throw is a `SandkeepError`.
 */
export { watch } from "../controllers/watch.ts";
export type { WatchOptions } from "../controllers/watch.ts";
export type {
  CreateRequest,
  Created,
  Driver,
  DriverDeps,
  DriverEvent,
  DriverModule,
  DriverRegistry,
  EngineWarning,
  ExecHandle,
  ExecRequest,
  ExecResult,
  HealthReport,
  ImageState,
  ObserveScope,
  PathFacts,
  ReadDriver,
  Requirement,
  TerminalSize,
  UpdateRequest,
} from "./drivers/driver.ts";
export { builtInDrivers } from "./drivers/registry.ts";
export { SandkeepError } from "./errors.ts";
export type { ErrorBlame, ErrorDetails } from "./errors.ts";
export type { Check } from "./model/attestation.ts";
export type { Capabilities } from "./model/capabilities.ts";
export type { Diagnostic } from "./model/diagnostic.ts";
export type { EventBody, EventSink, SandkeepEvent } from "./model/event.ts";
export type { ExplainedAgent, Explanation, FixIt, ToolVerdict } from "./model/explain.ts";
export type { ErrorClass } from "./model/failure.ts";
export type { FieldClass, FieldRow } from "./model/fields.ts";
export { ignoredField, liveField, recreateField } from "./model/fields.ts";
export type { Intent, PlanRequest } from "./model/intent.ts";
export type { Json, JsonObject } from "./model/json.ts";
export type { RuntimeLabels } from "./model/labels.ts";
export { decodeLabels, encodeLabels } from "./model/labels.ts";
export type { ListedRuntime, Listing } from "./model/listing.ts";
export type { Address, SessionKey } from "./model/names.ts";
export type { DormancyMark, ForeignObject, Observation, ObservedRuntime } from "./model/observed.ts";
export type { ApplyResult, Outcome } from "./model/outcome.ts";
export { PLAN_FORMAT } from "./model/plan-format.ts";
export type {
  Action,
  Blocked,
  Change,
  DriftOrigin,
  GraphNode,
  Plan,
  PlanImage,
  Reason,
} from "./model/plan.ts";
export type { EnginePosture, Posture, Probe, ProbeReason, UnusedHost } from "./model/posture.ts";
export type { RunManifest } from "./model/run-manifest.ts";
export type {
  Host,
  ResolvedAgent,
  ResolvedFleet,
  SecretSetting,
  SecretUse,
  Settings,
} from "./model/settings.ts";
export type { Source } from "./model/source.ts";
export type { ImageIdentity, Spec, SpecHash, WorkspaceProvider } from "./model/spec.ts";
export { explainFleet } from "./plan/explain.ts";
export { fleetPosture } from "./plan/posture.ts";
export type { ExplainRequest } from "./plan/explain.ts";
export { inspectRuntime } from "./plan/inspect.ts";
export type { InspectRequest } from "./plan/inspect.ts";
export { listFleet } from "./plan/listing.ts";
export type { ListRequest } from "./plan/listing.ts";
export { loadFleet, validateFleet } from "./policy/fleet.ts";
export type { FleetRequest, LoadedFleet } from "./policy/fleet.ts";
export { applySavedPlan, planFleet, reconcile } from "./reconcile.ts";
export type { ApplyOptions, Engine, Invalid, ReconcileOptions } from "./reconcile.ts";
export type { RunIo, RunRequest } from "./runs/command.ts";
export { runCommand } from "./runs/run.ts";
export { stateDirectory } from "./state/directory.ts";
export { realWait } from "./util/wait.ts";
export type { Wait } from "./util/wait.ts";
