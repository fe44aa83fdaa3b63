import * as z from "zod";
import { diagnosticSchema } from "./diagnostic.ts";
import { recordedEventSchema } from "./recorded-event.ts";
import { listedLaneSchema } from "./lanes.ts";

/** Every reason for which a backend is less than ready: a closed set, so that tools can act on it. */
const REASON_CODES = [
  "apparmor-off",
  "bubblewrap-missing",
  "canary-failed",
  "cgroup-v2-missing",
  "client-missing",
  "client-too-old",
  "cpu-limit-unsupported",
  "denied",
  "endpoint-invalid",
  "host-headroom",
  "linger-off",
  "memory-limit-unsupported",
  "not-linux",
  "pids-limit-unsupported",
  "rootless-limits-ignored",
  "rootless-ulimits-ignored",
  "rootless-user-mapping",
  "script-missing",
  "seccomp-off",
  "selinux-labels",
  "socket-missing",
  "ssh-default-identity",
  "ssh-default-known-hosts",
  "ssh-file-unreadable",
  "ssh-host-key",
  "ssh-host-key-not-strict",
  "ssh-missing",
  "ssh-system-client",
  "ssh-workspace-root",
  "state-dir-not-writable",
  "swap-limit-unsupported",
  "systemd-run-missing",
  "transport-unencrypted",
  "unreachable",
  "user-manager-missing",
  "user-namespaces-off",
] as const;

export const probeReasonSchema = z.strictObject({
  code: z.enum(REASON_CODES),
  message: z.string(),
  fix: z.string(),
});
export type ProbeReason = z.infer<typeof probeReasonSchema>;

/** Whether a backend on a host could take work now, found out without starting anything. */
export type Probe = (
  | { readonly status: "ready" }
  | { readonly status: "degraded" | "unavailable"; readonly reasons: readonly ProbeReason[] }
) & {
  /** The program that work is handed to, where there is a choice. */
  readonly client?: ProbeClient;
  /** Which client makes the SSH connection, where there is one: the built-in one, or the system's. */
  readonly transport?: "ssh2" | "openssh";
};

const probeClientSchema = z.strictObject({
  name: z.string(),
  /** Absolute path. */
  program: z.string(),
  /** Null where it was not asked, since that would start it. */
  version: z.string().nullable(),
  /** Which of its ways to a worker it would take, where it has several and the worker was asked. */
  driver: z.string().optional(),
});
export type ProbeClient = z.infer<typeof probeClientSchema>;

/** One backend on one host, and what the fleet's agents would meet there. */
export const enginePostureSchema = z.strictObject({
  backend: z.string(),
  host: z.string(),
  /** `unavailable`: nothing runs there, and nothing falls back to another backend or to this machine. */
  status: z.enum(["ready", "degraded", "unavailable"]),
  reasons: z.array(probeReasonSchema),
  /** False when only this machine's files and programs were looked at, and no connection was made. */
  probed: z.boolean(),
  /** The client program that would be used, where a backend has a choice. */
  client: probeClientSchema.optional(),
  /** Which client makes the SSH connection, where the backend is reached by one. */
  transport: z.enum(["ssh2", "openssh"]).optional(),
  /** Who works and who waits there, where commands take turns. */
  lane: listedLaneSchema.optional(),
  agents: z.array(
    z.strictObject({
      agent: z.string(),
      /** How the agent's writes reach the workspace. */
      writes: z.enum(["direct", "staged"]),
      /** Whether `run --detach` works. */
      background: z.boolean(),
    }),
  ),
});
export type EnginePosture = z.infer<typeof enginePostureSchema>;

/** One way to a declared host that no agent uses. */
const unusedHostSchema = enginePostureSchema.omit({ agents: true, lane: true, client: true }).extend({
  /** Null where nothing says how the host is reached. */
  backend: z.string().nullable(),
});
export type UnusedHost = z.infer<typeof unusedHostSchema>;

/** Answer of `status`. */
export const postureSchema = z.strictObject({
  fleet: z.string(),
  /** The worst of the engines; hosts that nobody uses do not count. */
  status: z.enum(["ready", "degraded", "unavailable"]),
  engines: z.array(enginePostureSchema),
  /** Each way to each of them. */
  unused_hosts: z.array(unusedHostSchema),
  /** Agents whose commands run on this machine itself, because their mode is `off`. */
  unsandboxed: z.array(z.string()),
  /** What happened in the last 24 hours, as far back as the ring of events goes. */
  recent: z.strictObject({
    /** How often each outcome of each action was seen; sorted. */
    counts: z.array(z.strictObject({ action: z.string(), outcome: z.string(), count: z.int().positive() })),
    /** The last ones, oldest first. */
    events: z.array(recordedEventSchema),
  }),
  diagnostics: z.array(diagnosticSchema),
});
export type Posture = z.infer<typeof postureSchema>;

const ORDER = ["ready", "degraded", "unavailable"] as const;

/** The worst; ready when there is none. */
export function worstStatus(statuses: Iterable<EnginePosture["status"]>): EnginePosture["status"] {
  return ORDER[Math.max(0, ...[...statuses].map((each) => ORDER.indexOf(each)))] ?? "ready";
}
