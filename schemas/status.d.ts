// Generated from status.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep status --json`.
 */
export interface SandkeepStatus {
  fleet: string;
  status: "ready" | "degraded" | "unavailable";
  engines: {
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
  unused_hosts: {
    backend: string | null;
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
    transport?: "ssh2" | "openssh";
  }[];
  unsandboxed: string[];
  recent: {
    counts: {
      action: string;
      outcome: string;
      count: number;
    }[];
    events: (
      | {
          type: "run.started";
          v: 1;
          at: number;
          run: string;
          workspace: string;
          sandboxed: boolean;
          tty: boolean;
          source: "cli" | "task" | "canary" | "other";
        }
      | {
          type: "run.ended";
          v: 1;
          at: number;
          run: string;
          workspace: string;
          status: "running" | "ok" | "failed" | "interrupted";
          exit_class:
            | "refused"
            | "not-started"
            | "backend-lost"
            | "timeout"
            | "cancelled"
            | "out-of-memory"
            | "success"
            | "not-found"
            | "not-executable"
            | "signal"
            | "error"
            | "interrupted";
          duration_ms: number;
        }
      | {
          type: "change.ended";
          v: 1;
          at: number;
          workspace: string;
          action:
            "create" | "start" | "update" | "recreate" | "remove" | "adopt" | "repair" | "no-op" | "several";
          status: "done" | "failed" | "skipped" | "stale" | "rolled_back";
          duration_ms: number;
        }
      | {
          type: "apply.ended";
          v: 1;
          at: number;
          mode: "apply" | "recreate" | "prune" | "destroy";
          done: number;
          failed: number;
          skipped: number;
          stale: number;
          rolled_back: number;
          exit_code: 0 | 1 | 2 | 3 | 4 | 5 | 69 | 70 | 75 | 77 | 78;
          duration_ms: number;
        }
      | {
          type: "watch.started";
          v: 1;
          at: number;
          resync_ms: number;
        }
      | {
          type: "watch.cycle";
          v: 1;
          at: number;
          whole: boolean;
          changes: number;
          exit_code: 0 | 1 | 2 | 3 | 4 | 5 | 69 | 70 | 75 | 77 | 78;
          duration_ms: number;
        }
      | {
          type: "watch.config";
          v: 1;
          at: number;
          status: "loaded" | "invalid";
          errors: number;
        }
      | {
          type: "watch.backoff";
          v: 1;
          at: number;
          workspace: string;
          attempt: number;
          retry_in_ms: number;
        }
      | {
          type: "watch.stalled";
          v: 1;
          at: number;
          workspace: string;
        }
      | {
          type: "watch.stopped";
          v: 1;
          at: number;
          drained: boolean;
        }
      | {
          type: "cleanup.ended";
          v: 1;
          at: number;
          removed: number;
          kept: number;
          failed: number;
          bytes: number;
        }
      | {
          type: "canary.ended";
          v: 1;
          at: number;
          verdict: "passed" | "failed";
          duration_ms: number;
        }
      | {
          type: "host.standing";
          v: 1;
          at: number;
          by: "canary" | "headroom";
          status: "degraded" | "recovered";
          blocks: boolean;
        }
      | {
          type: "doctor.ended";
          v: 1;
          at: number;
          found: number;
          fixed: number;
          failed: number;
        }
    )[];
  };
  diagnostics: Diagnostic[];
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
