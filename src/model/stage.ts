import * as z from "zod";

/** How the agent's copy is kept: contents shared by the file system, or copies. */
export const stageMechanismSchema = z.enum(["reflink", "copy"]);
export type StageMechanism = z.infer<typeof stageMechanismSchema>;

/** `[stage]`: what may be applied, and what is without asking. */
export interface StageSettings {
  /** Globs of paths that are applied after each run. */
  readonly auto_apply: readonly string[];
  /** Globs of paths that are never applied. */
  readonly deny: readonly string[];
  /** Bytes of contents in one apply. */
  readonly max_bytes: number | "unlimited";
  readonly git_ignored: "include" | "exclude";
}

const named = {
  /** Relative to the workspace; bytes that are no UTF-8 are shown as `\xNN`. */
  path: z.string(),
  /** The exact bytes of a path that is no UTF-8; otherwise null. */
  path_base64: z.string().nullable(),
};

export const stageSideSchema = z.strictObject({
  kind: z.enum(["file", "folder", "link", "other"]),
  /** Permission bits, `0644`; null for links. */
  mode: z.string().nullable(),
  /** Bytes of a file's contents. */
  size: z.number(),
  /** Of a file's contents; null where they are not known any more. */
  sha256: z.string().nullable(),
  /** Where a link leads. */
  target: z.string().nullable(),
});
export type StageSide = z.infer<typeof stageSideSchema>;

export const stageChangeSchema = z.strictObject({
  ...named,
  /** `mode`: nothing but permission bits. `type`: a file turned into a folder, or the like. */
  change: z.enum(["added", "modified", "deleted", "mode", "type"]),
  before: stageSideSchema.nullable(),
  after: stageSideSchema.nullable(),
  /** A deleted path of the same contents; it is applied as what it is, a deletion and an addition. */
  renamed_from: z.string().nullable(),
  binary: z.boolean(),
  /** Lines of text; null for what is none, and where the earlier contents are gone. */
  lines_added: z.int().nullable(),
  lines_deleted: z.int().nullable(),
  /** True where git ignores the path and `[stage] git_ignored` leaves such paths out. */
  ignored: z.boolean(),
});
export type StageChange = z.infer<typeof stageChangeSchema>;

/** Lines that differ, with three around them. Lines hold bytes, one character each, and begin with ` `, `+`, `-` or a backslash. */
export interface StageHunk {
  readonly old_start: number;
  readonly old_lines: number;
  readonly new_start: number;
  readonly new_lines: number;
  readonly lines: readonly string[];
}

/** A change with its lines, for those who show them. */
export interface ShownChange {
  readonly change: StageChange;
  /** Undefined for what is no text, or too much of it. */
  readonly hunks: readonly StageHunk[] | undefined;
}

/** A path that changed on both sides since the stage began. */
export const stageConflictSchema = z.strictObject({
  ...named,
  /** What the agent did: modified, deleted, … */
  agent: z.string(),
  /** What happened in the workspace. */
  workspace: z.string(),
});
export type StageConflict = z.infer<typeof stageConflictSchema>;

export const stageRefusalSchema = z.strictObject({
  ...named,
  code: z.enum(["denied", "too-large", "link-outside", "special-file", "special-bits"]),
  why: z.string(),
  fix: z.string(),
  /** The config key that says so, and where it stands. */
  key: z.string().nullable(),
  file: z.string().nullable(),
  line: z.int().nullable(),
});
export type StageRefusal = z.infer<typeof stageRefusalSchema>;

export const stageSchema = z.strictObject({
  id: z.string(),
  fleet: z.string(),
  address: z.string(),
  /** The workspace. */
  source: z.string(),
  /** The agent's copy. */
  tree: z.string(),
  mechanism: stageMechanismSchema,
  mechanism_why: z.string(),
  /** ISO 8601; conflicts are counted from here. */
  began_at: z.string(),
});
export type StageAbout = z.infer<typeof stageSchema>;

const counts = {
  added: z.int(),
  modified: z.int(),
  deleted: z.int(),
};

export const listedStageSchema = stageSchema.extend({
  age_s: z.number(),
  changes: z.strictObject(counts),
  conflicts: z.int(),
  /** Runs that go on in its runtime. */
  busy: z.int(),
  /** Ids of applies that `stage apply --reverse` can take back, the newest last. */
  applied: z.array(z.string()),
  /** Why it could not be read; its counts are 0 then. */
  error: z.string().nullable(),
  /** What to do about that. */
  fix: z.string().nullable(),
});

/** A stage whose description cannot be read. */
const brokenStageSchema = z.strictObject({
  address: z.string(),
  folder: z.string(),
  error: z.string(),
  fix: z.string(),
});

/** Answer of `stage list`. */
export const stageListSchema = z.strictObject({
  stages: z.array(listedStageSchema),
  broken: z.array(brokenStageSchema),
  exit_code: z.int(),
});
export type StageList = z.infer<typeof stageListSchema>;

/** Answer of `stage diff`. */
export const stageDiffSchema = z.strictObject({
  stage: stageSchema,
  changes: z.array(stageChangeSchema),
  conflicts: z.array(stageConflictSchema),
  refusals: z.array(stageRefusalSchema),
  totals: z.strictObject({ ...counts, bytes: z.number(), lines_added: z.int(), lines_deleted: z.int() }),
  exit_code: z.int(),
});
export type StageDiff = z.infer<typeof stageDiffSchema>;

/** Answer of `stage apply` and, for what happens after a run, of `[stage] auto_apply`. */
export const stageApplySchema = z.strictObject({
  stage: stageSchema,
  /** `nothing`: there was nothing to apply. `refused`: something stands against it, so that nothing was applied. */
  status: z.enum(["applied", "reversed", "nothing", "refused", "declined"]),
  /** Names this apply for `--reverse`; null when nothing was applied. */
  apply_id: z.string().nullable(),
  applied: z.array(stageChangeSchema),
  /** Paths that stay in the stage. */
  left: z.array(z.string()),
  conflicts: z.array(stageConflictSchema),
  refusals: z.array(stageRefusalSchema),
  exit_code: z.int(),
});
export type StageApply = z.infer<typeof stageApplySchema>;

/** Answer of `stage discard`. */
export const stageDiscardSchema = z.strictObject({
  stage: stageSchema,
  status: z.enum(["discarded", "nothing", "declined"]),
  discarded: z.array(z.string()),
  left: z.array(z.string()),
  exit_code: z.int(),
});
export type StageDiscard = z.infer<typeof stageDiscardSchema>;

/** Answer of `stage export`. */
export const stageExportSchema = z.strictObject({
  stage: stageSchema,
  /** File that was written; null when it went to standard output or stands in `patch_base64`. */
  output: z.string().nullable(),
  patch_base64: z.string().nullable(),
  files: z.int(),
  bytes: z.int(),
  /** What git patches cannot hold, each with why. */
  left_out: z.array(z.strictObject({ ...named, why: z.string() })),
  exit_code: z.int(),
});
export type StageExport = z.infer<typeof stageExportSchema>;
