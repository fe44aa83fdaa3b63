// Generated from host.schema.json by schemas/generate.ts.

/**
 * Answers of `sandkeep host list`, `inspect`, `stale` and `reap` with --json, in this order.
 */
export type SandkeepHost =
  | {
      hosts: {
        host: string;
        target: string | null;
        backends: string[];
        agents: string[];
        labels: {
          [k: string]: string;
        };
        max_runtimes: number | null;
      }[];
      exit_code: number;
    }
  | {
      snapshot: HostSnapshot;
      diagnostics: Diagnostic[];
      exit_code: number;
    }
  | {
      older_than_s: number;
      hosts: string[];
      stale: StaleThing[];
      unobserved: {
        host: string;
        message: string;
        hint: string | null;
      }[];
      exit_code: number;
    }
  | {
      dry_run: boolean;
      older_than_s: number;
      hosts: string[];
      entries: {
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
        status: "removed" | "would_remove" | "kept" | "changed" | "failed";
        message: string | null;
      }[];
      unobserved: {
        host: string;
        message: string;
        hint: string | null;
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
export interface Diagnostic {
  severity: "error" | "warning" | "info";
  code: string;
  message: string;
  path: string;
  file?: string;
  line?: number;
  column?: number;
  hint?: string;
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
