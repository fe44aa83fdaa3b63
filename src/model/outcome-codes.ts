/** Code of what was not begun because something failed that it had to wait for. */
export const ROLLOUT_PAUSED = "ROLLOUT_PAUSED";
