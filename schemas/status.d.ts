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
        | "bubblewrap-missing"
        | "cpu-limit-unsupported"
        | "denied"
        | "endpoint-invalid"
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
        | "transport-unencrypted"
        | "unreachable"
        | "user-namespaces-off";
      message: string;
      fix: string;
    }[];
    probed: boolean;
    agents: {
      agent: string;
      writes: "direct" | "staged";
      background: boolean;
    }[];
  }[];
  unsandboxed: string[];
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
