import * as z from "zod";

const named = {
  /** Relative to the workspace; bytes that are no UTF-8 are shown as `\xNN`. */
  path: z.string(),
  /** The exact bytes of a path that is no UTF-8; otherwise null. */
  path_base64: z.string().nullable(),
};

export const syncChangeSchema = z.strictObject({
  ...named,
  /** A renamed file is a deletion and an addition. */
  change: z.enum(["added", "modified", "deleted", "mode", "type"]),
  /** Bytes of a file's contents after it; null for what is none. */
  size: z.number().nullable(),
});
export type SyncChange = z.infer<typeof syncChangeSchema>;

/** A path at which both sides did something since they were alike. */
const syncConflictSchema = z.strictObject({ ...named, here: z.string(), there: z.string() });

/** What may not come here. */
const syncRefusalSchema = z.strictObject({
  ...named,
  code: z.enum(["denied", "too-large", "link-outside", "special-file", "special-bits"]),
  why: z.string(),
  fix: z.string(),
});

export const syncedSchema = z.strictObject({
  address: z.string(),
  backend: z.string(),
  host: z.string(),
  /** The workspace here. */
  source: z.string(),
  /**
   * `same`: nothing is to move that way. `differs`: looked at only. `conflict` and `refused`: something stands against it,
   * so that nothing was moved. `failed`: see `error`.
   */
  status: z.enum(["same", "differs", "moved", "conflict", "refused", "failed"]),
  /** What was done here since both were alike: what a push moves. */
  here: z.array(syncChangeSchema),
  /** What was done there: what a pull moves. */
  there: z.array(syncChangeSchema),
  conflicts: z.array(syncConflictSchema),
  /** With `--force`: of which paths the side that loses is overwritten. */
  overwritten: z.array(syncConflictSchema),
  refusals: z.array(syncRefusalSchema),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
});
export type SyncedWorkspace = z.infer<typeof syncedSchema>;

/** Answer of `sync pull`, `sync push` and `sync status`. */
export const syncSchema = z.strictObject({
  action: z.enum(["pull", "push", "status"]),
  dry_run: z.boolean(),
  workspaces: z.array(syncedSchema),
  exit_code: z.int(),
});
export type SyncAnswer = z.infer<typeof syncSchema>;
