/** How a runtime is doing, as one look at it told. */
export interface HealthReport {
  readonly state: "running" | "exited" | "restarting" | "missing";
  /** The engine's own health check; `none` when there is none. */
  readonly health: "healthy" | "unhealthy" | "starting" | "none";
  /** Milliseconds since the last start; 0 when not running. */
  readonly running_ms: number;
  /** What runs in it by itself: a program that may fail at any time, a process of ours that only keeps it open, or nothing. */
  readonly main: "program" | "keeper" | "nothing";
  /**
   * Of a keeper, where that can be seen: whether it is at its work, which is to do nothing, and has no more of its start to
   * fail at.
   */
  readonly settled?: boolean;
  readonly exit_code?: number;
  /** Last lines a dying runtime wrote, for the error message. */
  readonly detail?: string;
}
