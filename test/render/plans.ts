import type { Change, Plan, Reason } from "../../src/model/plan.ts";
import { planSchema } from "../../src/model/plan.ts";
import { MASKED } from "../../src/model/plan-format.ts";

const at = (file: string, line: number) => ({ file: `/repo/${file}`, line, column: 1 });

function reason(
  path: string,
  before: Reason["before"],
  after: Reason["after"],
  more: Partial<Reason> = {},
): Reason {
  return {
    path,
    class: "recreate",
    before,
    after,
    source: at("sandkeep.toml", 21),
    key: `agents.work.sandbox.${path}`,
    why: "Engines cannot change this on an existing container.",
    ...more,
  };
}

export function change(address: string, more: Partial<Change> = {}): Change {
  return {
    address,
    kind: "sandbox",
    backend: "docker",
    host: "local",
    name: `team-${address.replaceAll("/", "-")}-0a1b2c`,
    agent: "work",
    session: null,
    object_id: null,
    actions: ["create"],
    origin: "missing",
    why: "Declared, and nothing is there.",
    reasons: [],
    replace_paths: [],
    spec_key: address,
    hashes: { before: null, after: `v1:sha256:${"ab".repeat(32)}` },
    precondition: { object_id: null, spec_hash: null, observed_digest: null },
    impact: {
      downtime: false,
      busy: 0,
      idle_s: null,
      rw_bytes: null,
      rw_files: null,
      rw_deleted: null,
      rw_paths: [],
      rw_more: false,
      salvage: false,
      workspace: "kept",
    },
    protection: { protected: false, rule: null },
    salvage: null,
    secrets: {},
    rollout: null,
    ...more,
  };
}

const NO_SUMMARY = {
  create: 0,
  start: 0,
  update: 0,
  recreate: 0,
  remove: 0,
  adopt: 0,
  repair: 0,
  no_op: 0,
  blocked: 0,
  held: 0,
  dormant: 0,
  orphans: 0,
  foreign: 0,
} as const;

export function plan(more: Partial<Plan> & { counts?: Partial<Plan["summary"]> } = {}): Plan {
  const { counts, ...rest } = more;
  return planSchema.parse({
    format_version: "1.0",
    tool_version: "0.1.0",
    plan_id: `sha256:${"0f".repeat(32)}`,
    created_at: "2026-01-02T03:04:05.000Z",
    at: null,
    mode: "apply",
    complete: true,
    source: { fleet: "team", fleet_id: "k3v9q2", file: "/repo/sandkeep.toml", files: [] },
    observed: [{ backend: "docker", host: "local", status: "complete", runtimes: 4, message: null }],
    images: [],
    specs: {},
    changes: [],
    orphans: [],
    foreign: [],
    dormant: [],
    held: [],
    blocked: [],
    graph: [],
    summary: { ...NO_SUMMARY, ...counts },
    diagnostics: [],
    exit_code: 0,
    ...rest,
  });
}

/** One of everything a plan can say. */
export function fullPlan(): Plan {
  return plan({
    complete: false,
    observed: [
      { backend: "docker", host: "local", status: "complete", runtimes: 6, message: null },
      {
        backend: "docker",
        host: "build1",
        status: "unobserved",
        runtimes: 0,
        message: "connect ECONNREFUSED 10.0.0.7:2376",
      },
    ],
    changes: [
      change("agent/api", {
        actions: ["repair"],
        object_id: "77aa",
        origin: "unhealthy",
        why: "A replacement was cut off after it was proven healthy; it is finished.",
      }),
      change("agent/docs", {
        actions: ["adopt"],
        object_id: "88bb",
        origin: null,
        why: "An equal runtime of this fleet exists; it is taken over as it is.",
      }),
      change("agent/fast", {
        actions: ["update"],
        object_id: "99cc",
        origin: "live",
        why: "Someone changed its limits behind our back.",
        reasons: [
          reason("docker.memory", 1073741824, 2147483648, { class: "live", source: at("sandkeep.toml", 31) }),
          reason("docker.pids", 100, 512, { class: "live", source: null, key: null }),
        ],
      }),
      change("agent/idle", {
        actions: ["no-op"],
        object_id: "11dd",
        origin: null,
        why: "Up to date.",
      }),
      change("agent/main"),
      change("agent/old", {
        actions: ["remove"],
        object_id: "deadbeef",
        origin: "config",
        why: "No longer declared.",
        impact: {
          downtime: true,
          busy: 0,
          idle_s: 90_000,
          rw_bytes: 5_368_709,
          rw_files: 41,
          rw_deleted: 0,
          rw_paths: ["/opt/x", "/root/.cache/"],
          rw_more: false,
          salvage: true,
          salvage_excess: { max_bytes: 1_048_576, oversize: "fail" },
          workspace: "lost",
        },
      }),
      change("agent/work", {
        host: "build2",
        actions: ["recreate"],
        object_id: "cafe",
        origin: "config",
        why: "The config changed 4 fields that only a new container can have.",
        reasons: [
          reason("docker.image", "debian:12-slim", "node:22-slim", { source: at("agents/work.toml", 4) }),
          reason("docker.user", null, "1000:1000"),
          reason("secrets.NPM_TOKEN", MASKED, MASKED, { source: at("sandkeep.toml", 40) }),
          reason(
            "setup",
            ["apt-get update", "apt-get install -y --no-install-recommends git ca-certificates"],
            ["apt-get update", "apt-get install -y --no-install-recommends git ca-certificates ripgrep"],
            { source: at("agents/work.toml", 7) },
          ),
          reason(
            "env",
            { LANG: "C.UTF-8", MODE: "development-with-a-long-value", OLD: "1" },
            { LANG: "C.UTF-8", MODE: "production-with-a-long-value", NEW: "2" },
          ),
        ],
        impact: {
          downtime: true,
          busy: 1,
          idle_s: 30,
          rw_bytes: null,
          rw_files: null,
          rw_deleted: null,
          rw_paths: [],
          rw_more: false,
          salvage: false,
          workspace: "kept",
        },
        protection: { protected: true, rule: "agents.work.sandbox.protect" },
      }),
    ],
    images: [
      {
        backend: "docker",
        host: "local",
        ref: "node:22-slim",
        policy: "missing",
        kind: null,
        digest: null,
        platform: null,
        present: false,
      },
      {
        backend: "docker",
        host: "local",
        ref: "debian:12-slim",
        policy: "missing",
        kind: "config",
        digest: `sha256:${"1".repeat(64)}`,
        platform: "linux/amd64",
        present: true,
      },
    ],
    orphans: [
      {
        address: "agent/old",
        backend: "docker",
        host: "local",
        name: "team-agent-old-0a1b2c",
        object_id: "deadbeef",
        why: "No longer declared.",
      },
      {
        address: "agent/kept",
        backend: "docker",
        host: "local",
        name: "team-agent-kept-9f9f9f",
        object_id: "beefdead",
        why: "Protected by its label; destroy --unprotect removes it.",
      },
    ],
    foreign: [
      {
        backend: "docker",
        host: "local",
        name: "team-agent-web-123456",
        object_id: "f00d",
        why: "Belongs to another fleet of the same name (id zz9).",
      },
    ],
    dormant: [
      {
        address: "agent/night",
        since: "2026-01-01T00:00:00.000Z",
        reason: "Idle for 26h; prune.idle is 24h.",
      },
    ],
    held: [
      {
        address: "agent/debug",
        reason: "looking at a core dump, please leave it",
        until: "2026-01-03T00:00:00.000Z",
      },
    ],
    blocked: [
      {
        address: "agent/busy",
        rule: "busy",
        why: "A run is going on and disruption.when is idle.",
        until: 1767330000000,
        fix: null,
        deferred: true,
      },
      {
        address: "agent/web",
        rule: "foreign",
        why: "Its name is taken by a container that is not of this fleet.",
        until: null,
        fix: "Remove that container, or change fleet in sandkeep.toml.",
        deferred: false,
      },
    ],
    counts: {
      create: 1,
      update: 1,
      recreate: 1,
      remove: 1,
      adopt: 1,
      repair: 1,
      no_op: 1,
      blocked: 2,
      held: 1,
      dormant: 1,
      orphans: 2,
      foreign: 1,
    },
    diagnostics: [
      {
        severity: "warning",
        code: "no-fleet-id",
        message: "The fleet has no fleet_id, so its name alone owns.",
        path: "fleet_id",
        file: "/repo/sandkeep.toml",
        line: 2,
        column: 1,
        hint: "Add fleet_id, as sandkeep init writes it.",
      },
      {
        severity: "info",
        code: "mode-off",
        message: 'Agent "ops" has mode "off": its commands run on the host.',
        path: "agents.ops.sandbox.mode",
        file: "/repo/sandkeep.toml",
        line: 50,
        column: 3,
      },
    ],
    exit_code: 69,
  });
}
