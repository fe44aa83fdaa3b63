/** What a driver says of itself, as data; shared code reads this and never the backend's name. */
export interface Capabilities {
  /** `process` can be started and stopped; `directory` is ready when its manifest is valid; `ephemeral` is never created. */
  readonly lifecycle: "process" | "directory" | "ephemeral";
  readonly exec: boolean;
  readonly tty: boolean;
  /** `whole` where a command gets its input once all of it is there, which that of a terminal never is. */
  readonly stdin?: "whole";
  /** True when the engine pushes changes; otherwise watch relies on its resync. */
  readonly events: boolean;
  /** True when runtimes are made from images that must be resolved and fetched. */
  readonly images: boolean;
  /** True when the engine can tell which execs run in a runtime. */
  readonly reports_execs: boolean;
  /** True when the engine can tell, and hand out, what a runtime's removal would destroy. */
  readonly changes: boolean;
  /** Mutating calls at once on one engine. */
  readonly parallelism: number;
  /** True when it makes networks of the fleet's own, and gates that hold what leaves them to a list. */
  readonly networks?: boolean;
}
