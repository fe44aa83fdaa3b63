/** One path that a command changed in its copy of the workspace. */
export interface ReturnedPath {
  /** Relative to the workspace, with slashes. */
  readonly path: string;
  readonly type: "file" | "folder" | "link";
  /** Permission bits; of no meaning for a link. */
  readonly mode: number;
}

/** What came back from a copy of the workspace. */
export interface ReturnedChanges {
  /** Holds what changed, at the same relative paths; gone after the call it is handed to. */
  readonly folder: string;
  /** Parents first. */
  readonly changed: readonly ReturnedPath[];
  /** Children first. Only what the command was sent and what nobody here changed meanwhile. */
  readonly deleted: readonly string[];
  /** What cannot be brought back, such as pipes and devices. */
  readonly skipped: readonly string[];
}
