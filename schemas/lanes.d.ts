// Generated from lanes.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep lanes --json`.
 */
export interface SandkeepLanes {
  lanes: {
    engine: string;
    max_parallel: number;
    queue_capacity: number;
    running: {
      fleet: string;
      agent: string;
      session: string;
      run_id: string;
      address: string;
      pid: number;
      machine: string;
      since: string;
      for_s: number;
    }[];
    waiting: {
      fleet: string;
      agent: string;
      session: string;
      run_id: string;
      address: string;
      pid: number;
      machine: string;
      since: string;
      for_s: number;
    }[];
  }[];
}
