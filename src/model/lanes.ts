import * as z from "zod";

/** Of one endpoint, over all processes of this machine. */
export interface LaneBounds {
  readonly max_parallel: number;
  /** Most that wait; more are refused. */
  readonly queue_capacity: number;
}

const laneUseSchema = z.strictObject({
  fleet: z.string(),
  agent: z.string(),
  session: z.string(),
  run_id: z.string(),
  address: z.string(),
  pid: z.int(),
  machine: z.string(),
  /** ISO 8601: of one that runs, when it began; of one that waits, when it came. */
  since: z.string(),
  for_s: z.number(),
});
export type LaneUse = z.infer<typeof laneUseSchema>;

export const listedLaneSchema = z.strictObject({
  /** Backend and endpoint: `buildkit@tcp://build.example.com:1234`. */
  engine: z.string(),
  /** Bounds of whoever came last. */
  max_parallel: z.int(),
  queue_capacity: z.int(),
  running: z.array(laneUseSchema),
  /** In the order in which they will begin if nobody else comes. */
  waiting: z.array(laneUseSchema),
});
export type ListedLane = z.infer<typeof listedLaneSchema>;

/** Answer of `lanes`. */
export const lanesSchema = z.strictObject({ lanes: z.array(listedLaneSchema) });
