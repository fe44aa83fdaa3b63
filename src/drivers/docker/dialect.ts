import type { JsonObject } from "../../model/json.ts";
import type { FieldRow } from "../../model/fields.ts";
import type { ProbeReason } from "../../model/posture.ts";
import type { EngineName } from "./endpoint.ts";
import { WRITES_AT_ONCE } from "./capabilities.ts";
import { dockerFields } from "./fields.ts";
import type { Rule } from "./requirements.ts";
import type { DockerSpec } from "./section.ts";
import type { Container } from "./wire-container.ts";
import type { Info } from "./wire.ts";

/** What makes an engine less than it seems. */
export interface DegradedRow extends ProbeReason {
  readonly test: (info: Info) => boolean;
}

/** What a create is made for, when an engine needs more than its body. */
export interface WriteContext {
  readonly spec: DockerSpec;
  readonly info: Info;
}

/**
 * What tells one engine that speaks the Docker API from another, as data. The rest of this folder follows Docker and
 * asks a dialect, never an engine's name.
 */
export interface Dialect {
  readonly name: EngineName;
  readonly fields: readonly FieldRow[];
  /** What `validate` refuses besides what no engine takes. */
  readonly rules: readonly Rule[];
  readonly degraded: readonly DegradedRow[];
  /** True for an engine that makes a bind's missing source as an empty folder instead of refusing. */
  readonly makesSources: boolean;
  /** True for an engine that gives a volume which it makes for a container the labels that were asked for. */
  readonly labelsVolumes: boolean;
  /** Creations that it takes at once from one of us. */
  readonly createsAtOnce: number;
  /** What a removal by force is asked besides, so that it waits for nothing. */
  readonly removal: Readonly<Record<string, number>>;
  /** With what a list of processes is asked for, so that its last column is the argv. */
  readonly processes: Readonly<Record<string, string>>;
  /** True for an engine that writes down the environment of a command, for longer than it runs. */
  readonly keepsEnvironments: boolean;
  /** True for an engine on which networks and gates of the fleet's own are proved to hold. */
  readonly networks: boolean;
  /** True for an engine that tells and hands out exactly what was written in a container, running or not. */
  readonly changes: boolean;
  /** Stable id of the engine itself. */
  readonly engineId: (info: Info) => string;
  /** A body as Docker would take it, as this engine takes it; absent where that is the same. */
  readonly write?: (body: JsonObject, context: WriteContext) => JsonObject;
  /** An answer of this engine as Docker would have shown the container. */
  readonly read: (container: Container, created: DockerSpec) => Container;
}

export const docker: Dialect = {
  name: "docker",
  fields: dockerFields,
  rules: [],
  degraded: [],
  makesSources: false,
  labelsVolumes: true,
  createsAtOnce: WRITES_AT_ONCE,
  removal: {},
  processes: {},
  keepsEnvironments: false,
  networks: true,
  changes: true,
  engineId: ({ ID }) => ID,
  read: (container) => container,
};
