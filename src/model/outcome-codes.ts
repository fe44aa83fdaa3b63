/** Code of what was not begun because something failed that it had to wait for. */
export const ROLLOUT_PAUSED = "ROLLOUT_PAUSED";
/** Code of what was not begun because its engine left the changes before it without an answer. */
export const ENGINE_SILENT = "ENGINE_SILENT";
