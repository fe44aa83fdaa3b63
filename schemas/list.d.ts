// Generated from list.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep list --json`.
 */
export interface SandkeepList {
  runtimes: ListedRuntime[];
  networks?: {
    network: string;
    backend: string;
    host: string;
    name: string;
    object_id: string | null;
    status: "ready" | "closed" | "missing" | "orphan";
    gate: {
      allow: string[];
      image: string;
    } | null;
    users: string[];
  }[];
  dormant: {
    address: string;
    since: string;
    reason: string;
  }[];
  orphans: ListedRuntime[];
  foreign: {
    backend: string;
    host: string;
    name: string;
    object_id: string;
    why: string;
    /**
     * What a person may do about it.
     */
    hint?: string;
  }[];
  unobserved: {
    backend: string;
    host: string;
    message: string;
  }[];
  degraded_hosts?: {
    host: string;
    by: "canary" | "headroom";
    why: string;
    since: string;
    blocks: boolean;
  }[];
}
export interface ListedRuntime {
  address: string;
  kind: "sandbox" | "browser";
  role: "primary" | "ephemeral" | "canary" | "sidecar";
  backend: string;
  host: string;
  name: string;
  object_id: string | null;
  status: "ready" | "running" | "stopped" | "created" | "missing" | "unhealthy" | "unreachable";
  agent: string | null;
  session: string | null;
  spec_hash: string | null;
  config: "match" | "drift" | "unknown";
  image: string | null;
  created_at: string | null;
  age_s: number | null;
  last_used_at: string | null;
  idle_s: number | null;
  busy: boolean;
  held: boolean;
  expires_at: string | null;
  watch: ("stalled" | "back-off" | "paused") | null;
}
