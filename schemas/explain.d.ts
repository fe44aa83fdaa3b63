// Generated from explain.schema.json by schemas/generate.ts.

export type Json =
  | string
  | number
  | boolean
  | null
  | Json[]
  | {
      [k: string]: Json;
    };

/**
 * Answer of `sandkeep explain --json`.
 */
export interface SandkeepExplain {
  fleet: string;
  posture: {
    backend: string;
    host: string;
    status: "ready" | "degraded" | "unavailable";
    reasons: {
      code:
        | "apparmor-off"
        | "bubblewrap-missing"
        | "canary-failed"
        | "cgroup-v2-missing"
        | "client-missing"
        | "client-too-old"
        | "cpu-limit-unsupported"
        | "denied"
        | "endpoint-invalid"
        | "host-headroom"
        | "linger-off"
        | "memory-limit-unsupported"
        | "not-linux"
        | "pids-limit-unsupported"
        | "rootless-limits-ignored"
        | "rootless-ulimits-ignored"
        | "rootless-user-mapping"
        | "script-missing"
        | "seccomp-off"
        | "selinux-labels"
        | "socket-missing"
        | "ssh-default-identity"
        | "ssh-default-known-hosts"
        | "ssh-file-unreadable"
        | "ssh-host-key"
        | "ssh-host-key-not-strict"
        | "ssh-missing"
        | "ssh-system-client"
        | "ssh-workspace-root"
        | "state-dir-not-writable"
        | "swap-limit-unsupported"
        | "systemd-run-missing"
        | "transport-unencrypted"
        | "unreachable"
        | "user-manager-missing"
        | "user-namespaces-off";
      message: string;
      fix: string;
    }[];
    probed: boolean;
    client?: {
      name: string;
      program: string;
      version: string | null;
      driver?: string;
    };
    transport?: "ssh2" | "openssh";
    lane?: {
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
    };
    agents: {
      agent: string;
      writes: "direct" | "staged";
      background: boolean;
    }[];
  }[];
  agents: ExplainedAgent[];
  diagnostics: Diagnostic[];
}
export interface ExplainedAgent {
  agent: string;
  mode: "off" | "non-main" | "all";
  scope: "session" | "agent" | "shared";
  backend: string;
  host: string;
  sessions: {
    session_key: string;
    sandboxed: boolean;
    address: string | null;
    why: string;
  }[];
  settings: {
    [k: string]: {
      value: Json;
      layer: "agent" | "default" | "built-in";
      key: string;
      source: Source | null;
    };
  };
  workspace_provider: string;
  tools: {
    allow: string[];
    deny: string[];
    also_allow: string[];
    sources: {
      [k: string]: {
        key: string;
        file: string | null;
        line: number | null;
      };
    };
    verdict: ToolVerdict | null;
  };
  elevated: {
    enabled: boolean;
    allowed_channels: string[];
    failures: {
      gate: string;
      key: string;
      file: string | null;
      line: number | null;
    }[];
  };
  fix_it: {
    key: string;
    file: string | null;
    line: number | null;
    why: string;
  }[];
  notes: string[];
  runtimes: {
    address: string;
    name: string;
    status: string;
    object_id: string | null;
    would: {
      action: string;
      why: string;
    }[];
    busy: string | null;
    watch: {
      state: "stalled" | "back-off" | "paused";
      why: string;
      until: string | null;
    } | null;
  }[];
}
export interface Source {
  file: string;
  line: number;
  column: number;
}
export interface ToolVerdict {
  tool: string;
  verdict: "allowed" | "blocked";
  rule: string;
  pattern: string | null;
  key: string | null;
  file: string | null;
  line: number | null;
  why: string;
  fix: {
    key: string;
    file: string | null;
    line: number | null;
    why: string;
  }[];
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
