// Generated from plan.schema.json by schemas/generate.ts.

export type Json =
  | string
  | number
  | boolean
  | null
  | Json[]
  | {
      [k: string]: Json;
    };
export type _Schema1 =
  | string
  | number
  | boolean
  | null
  | _Schema1[]
  | {
      [k: string]: _Schema1;
    };
export type GraphNode =
  | {
      op: "fetch";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      ref: string;
      policy: string;
    }
  | {
      op: "create";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      name: string;
      spec_key: string;
    }
  | {
      op: "seed";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      spec_key: string;
    }
  | {
      op: "start";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
    }
  | {
      op: "setup";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      spec_key: string;
    }
  | {
      op: "verify";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      spec_key: string;
      attest?: true;
    }
  | {
      op: "health";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      spec_key: string;
      in_place?: true;
    }
  | {
      op: "rename";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      to: string;
    }
  | {
      op: "stop";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      grace_s?: number;
    }
  | {
      op: "update";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      spec_key: string;
      paths: string[];
    }
  | {
      op: "collect";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string;
    }
  | {
      op: "weigh";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string;
      workspace: "keep" | "delete";
      settings: SalvageSettings;
    }
  | {
      op: "salvage";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string;
      workspace: "keep" | "delete";
      settings: SalvageSettings;
    }
  | {
      op: "remove";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      object_id: string | null;
      workspace: "keep" | "delete";
    }
  | {
      op: "forget";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
    }
  | {
      op: "network";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      effect: "ensure" | "remove";
      name: string;
      object_id: string | null;
    }
  | {
      op: "mark";
      id: string;
      address: string;
      backend: string;
      host: string;
      depends_on: string[];
      after: string[];
      on_failure: string[];
      compensates: boolean;
      idempotency_key: string;
      timeout_s: number;
      cause: string;
      dormant: boolean;
      reason: string;
    };

/**
 * Answer of `sandkeep plan --json`, and the file that `plan --out` saves.
 */
export interface SandkeepPlan {
  format_version: string;
  tool_version: string;
  plan_id: string;
  created_at: string;
  at: string | null;
  mode: "apply" | "recreate" | "prune" | "destroy";
  complete: boolean;
  source: {
    fleet: string;
    fleet_id: string | null;
    file: string | null;
    files: {
      path: string;
      sha256: string;
    }[];
  };
  observed: {
    backend: string;
    host: string;
    status: "complete" | "unobserved";
    runtimes: number;
    message: string | null;
  }[];
  images: {
    backend: string;
    host: string;
    ref: string;
    policy: string;
    kind: ("index" | "manifest" | "config") | null;
    digest: string | null;
    platform: string | null;
    present: boolean;
  }[];
  specs: {
    [k: string]: {
      hash: string;
      kind: "sandbox" | "browser";
      backend: string;
      values: {
        [k: string]: Json;
      };
    };
  };
  changes: Change[];
  networks?: {
    network: string;
    backend: string;
    host: string;
    name: string;
    object_id: string | null;
    action: "create" | "update" | "remove" | "no-op";
    why: string;
    differences: {
      path: string;
      before: _Schema1;
      after: _Schema1;
    }[];
    spec: {
      driver: "bridge";
      internal: boolean;
      subnet: string | null;
      gateway: string | null;
      options: {
        [k: string]: string;
      };
      gate: {
        allow: string[];
        image: string;
      } | null;
    } | null;
    users: string[];
    enforced: string | null;
  }[];
  caches?: {
    backend: string;
    host: string;
    action: "prune" | "no-op";
    why: string;
    max_age_ms: number | null;
    max_bytes: number | null;
  }[];
  orphans: {
    address: string;
    backend: string;
    host: string;
    name: string;
    object_id: string;
    why: string;
  }[];
  foreign: {
    backend: string;
    host: string;
    name: string;
    object_id: string;
    why: string;
  }[];
  dormant: {
    address: string;
    since: string;
    reason: string;
  }[];
  held: {
    address: string;
    reason: string;
    until: string | null;
  }[];
  blocked: {
    address: string;
    rule: string;
    why: string;
    until: number | null;
    fix: string | null;
    deferred: boolean;
  }[];
  graph: GraphNode[];
  summary: {
    create: number;
    start: number;
    update: number;
    recreate: number;
    remove: number;
    adopt: number;
    repair: number;
    no_op: number;
    blocked: number;
    held: number;
    dormant: number;
    orphans: number;
    foreign: number;
  };
  diagnostics: Diagnostic[];
  exit_code: number;
}
export interface Change {
  address: string;
  kind: "sandbox" | "browser";
  backend: string;
  host: string;
  name: string;
  agent: string | null;
  session: string | null;
  object_id: string | null;
  actions: ("create" | "start" | "update" | "recreate" | "remove" | "adopt" | "repair" | "no-op")[];
  origin: ("config" | "live" | "image" | "missing" | "unhealthy") | null;
  why: string;
  reasons: Reason[];
  replace_paths: string[];
  spec_key: string | null;
  hashes: {
    before: string | null;
    after: string | null;
  };
  precondition: {
    object_id: string | null;
    spec_hash: string | null;
    observed_digest: string | null;
  };
  impact: {
    downtime: boolean;
    busy: number;
    idle_s: number | null;
    rw_bytes: number | null;
    rw_files: number | null;
    rw_deleted: number | null;
    rw_paths: string[];
    rw_more: boolean;
    salvage: boolean;
    salvage_excess?: {
      max_bytes: number;
      oversize: "fail" | "truncate";
    };
    rw_unknown?: string;
    workspace: "kept" | "reseeded" | "lost";
  };
  protection: {
    protected: boolean;
    rule: string | null;
  };
  salvage: SalvageSettings | null;
  secrets: {
    [k: string]: string;
  };
  rollout: {
    canary: boolean;
    wave: number;
    waits_for: string[];
    pauses: boolean;
    causes: string[];
  } | null;
  passing?: {
    role: "ephemeral" | "canary";
    expires_at: number;
    keep: boolean;
  };
}
export interface Reason {
  path: string;
  class: "recreate" | "live" | "ignored";
  before: Json;
  after: Json;
  source: Source | null;
  key: string | null;
  why: string;
}
export interface Source {
  file: string;
  line: number;
  column: number;
}
export interface SalvageSettings {
  when: "off" | "unattended" | "always";
  include: string[];
  exclude: string[];
  max_bytes: number | "unlimited";
  oversize: "fail" | "truncate";
  keep: number | "all";
  max_age: number | "off";
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
