import type { JsonObject } from "./json.ts";
import type { RuntimeKind } from "./names.ts";

/** `v1:sha256:<hex>` over the canonical JSON of the hashed fields. */
export type SpecHash = `v${number}:sha256:${string}`;

/**
 * How a workspace reaches a runtime. `own` is an empty directory of the runtime's own; a `copy` is sent with each command,
 * and what the command changed comes back.
 */
export type WorkspaceProvider = "bind" | "link" | "volume" | "own" | "copy";

/**
 * The fully resolved, normalised description of one runtime. `values` has the shape of the config's `[sandbox]`,
 * cut down to what shapes the runtime: `{workspace, env, secrets, setup, ready?, <backend>: {…}}`; secrets are references.
 */
export interface Spec {
  readonly kind: RuntimeKind;
  readonly backend: string;
  readonly values: JsonObject;
}

/** What decides that two images are the same thing; unlike kinds are never compared. */
export interface ImageIdentity {
  /** As the config wrote it. */
  readonly ref: string;
  readonly kind: "index" | "manifest" | "config";
  /** `sha256:<hex>`. */
  readonly digest: string;
  /** `linux/amd64`. */
  readonly platform: string;
}
