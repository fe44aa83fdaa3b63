// Generated from canary.schema.json by schemas/generate.ts.

/**
 * Answers of `sandkeep canary` and `canary history` with --json, in this order; the first is also what is kept and exported.
 */
export type SandkeepCanary =
  | {
      format_version: 1;
      id: string;
      fleet: string;
      host: string;
      backend: string;
      address: string;
      started_at: string;
      duration_ms: number;
      verdict: "passed" | "failed";
      why: string;
      steps: {
        step: "provision" | "exec" | "files" | "limits" | "network" | "isolation" | "removal";
        status: "passed" | "failed" | "not_applicable" | "skipped";
        duration_ms: number;
        message: string;
      }[];
      before: HostSnapshot | null;
      after: HostSnapshot | null;
      provision_delta: {
        load_1m: number | null;
        memory_available: number | null;
        disk_available: {
          mount: string;
          bytes: number;
        }[];
        processes: number | null;
        containers: number;
        directories: number;
      } | null;
      destroy_delta: {
        load_1m: number | null;
        memory_available: number | null;
        disk_available: {
          mount: string;
          bytes: number;
        }[];
        processes: number | null;
        containers: number;
        directories: number;
      } | null;
      inventory: {
        containers: number;
        directories: number;
        compose_projects: string[];
      };
      stale_candidates: StaleThing[];
      kept: boolean;
      exported: string | null;
      notes: string[];
      exit_code: number;
    }
  | {
      canaries: {
        id: string;
        host: string;
        backend: string;
        started_at: string;
        duration_ms: number;
        provision_ms: number | null;
        verdict: "passed" | "failed";
        why: string;
      }[];
      exit_code: number;
    };

export interface HostSnapshot {
  host: string;
  taken_at: string;
  via: "ssh" | "local" | "engine";
  target: string | null;
  duration_ms: number;
  node: string;
  kernel: string;
  uid: number;
  uptime_s: number | null;
  cpus: number | null;
  load: never[] | null;
  memory: {
    total: number;
    available: number;
    swap_total: number;
    swap_free: number;
  } | null;
  processes: number | null;
  disks: {
    what: string;
    mount: string;
    total: number;
    available: number;
    inodes: number | null;
    inodes_free: number | null;
  }[];
  engines: {
    engine: string;
    status: "ready" | "absent" | "unreachable";
    version: string | null;
    root: string | null;
    message: string | null;
    disk_use?: {
      images: number;
      containers: number;
      volumes: number;
      build_cache: number;
    };
  }[];
  containers: {
    engine: string;
    object_id: string;
    name: string;
    status: string;
    created_at: string | null;
    execs: number;
    labels: {
      [k: string]: string;
    };
  }[];
  roots: {
    path: string;
    real: string | null;
    status: "present" | "absent";
  }[];
  directories: {
    kind: "runtime" | "directory" | "link";
    parent: string;
    name: string;
    identity: string;
    uid: number;
    changed_at: string | null;
    manifest: "whole" | "unreadable" | "none";
    labels: {
      [k: string]: string;
    };
    mounted: boolean;
    in_use: boolean;
  }[];
  compose_projects: {
    engine: string;
    project: string;
    containers: number;
    running: number;
    folder: string | null;
  }[];
  notes: string[];
}
export interface StaleThing {
  host: string;
  kind: "directory" | "container";
  what: string;
  object_id: string;
  engine: string | null;
  address: string | null;
  fleet: string | null;
  age_s: number | null;
  code:
    | "expired"
    | "orphan"
    | "reap-leftover"
    | "other-fleet"
    | "adopted"
    | "manifest-unreadable"
    | "no-manifest"
    | "aged";
  why: string;
  reap: ("fleet" | "directory" | "container") | null;
  kept: {
    code:
      | "link"
      | "mounted"
      | "odd-name"
      | "in-use"
      | "not-own"
      | "unknown-age"
      | "declared"
      | "held"
      | "not-proved";
    why: string;
  } | null;
}
