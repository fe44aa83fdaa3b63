import type { ExplainedAgent, Explanation } from "../../src/model/explain.ts";
import type { ListedRuntime, Listing } from "../../src/model/listing.ts";
import type { ApplyResult } from "../../src/model/outcome.ts";
import type { Posture } from "../../src/model/posture.ts";

const at = (file: string, line: number) => ({ file: `/repo/${file}`, line, column: 1 });

export function agent(name: string, more: Partial<ExplainedAgent> = {}): ExplainedAgent {
  return {
    agent: name,
    mode: "all",
    scope: "agent",
    backend: "docker",
    host: "local",
    sessions: [
      {
        session_key: `agent:${name}:main`,
        sandboxed: true,
        address: `agent/${name}`,
        why: "mode all sandboxes every session",
      },
    ],
    settings: {
      "docker.image": {
        value: "node:22-slim",
        layer: "agent",
        key: `agents.${name}.sandbox.docker.image`,
        source: at("agents/work.toml", 4),
      },
      "docker.memory": {
        value: 2147483648,
        layer: "default",
        key: "sandbox.docker.memory",
        source: at("sandkeep.toml", 20),
      },
      "prune.idle": { value: 86400000, layer: "built-in", key: "sandbox.prune.idle", source: null },
    },
    workspace_provider: "bind",
    tools: {
      allow: ["exec", "group:fs"],
      deny: ["browser"],
      also_allow: [],
      sources: { allow: { key: "tools.sandbox.allow", file: "/repo/sandkeep.toml", line: 60 } },
      verdict: null,
    },
    elevated: {
      enabled: false,
      allowed_channels: [],
      failures: [{ gate: "enabled", key: "tools.elevated.enabled", file: "/repo/sandkeep.toml", line: 66 }],
    },
    fix_it: [
      {
        key: `agents.${name}.sandbox.mode`,
        file: "/repo/agents/work.toml",
        line: 2,
        why: "to run on the host instead",
      },
    ],
    notes: [],
    runtimes: [
      {
        address: `agent/${name}`,
        name: `team-agent-${name}-0a1b2c`,
        status: "running",
        object_id: "cafe",
        would: [{ action: "recreate", why: "docker.image changed in the config" }],
        busy: null,
        watch: null,
      },
    ],
    ...more,
  };
}

export function posture(): Posture {
  const agents = [
    { agent: "main", writes: "direct", background: true },
    { agent: "work", writes: "direct", background: true },
    { agent: "review", writes: "staged", background: true },
  ] as const;
  return {
    fleet: "team",
    status: "unavailable",
    engines: [
      {
        backend: "docker",
        host: "build1",
        status: "unavailable",
        reasons: [
          {
            code: "ssh-missing",
            message: "ssh is not on PATH, and the engine is reached through ci@build1.example.com",
            fix: "install it: apt-get install openssh-client",
          },
        ],
        probed: false,
        agents: agents.slice(1),
      },
      {
        backend: "local",
        host: "local",
        status: "ready",
        reasons: [],
        probed: true,
        agents: agents.slice(0, 1),
      },
    ],
    unused_hosts: [
      {
        backend: "ssh",
        host: "build2",
        status: "degraded",
        reasons: [
          {
            code: "ssh-default-known-hosts",
            message: "no known_hosts is given for host build2: the user's own ~/.ssh/known_hosts counts",
            fix: "set hosts.build2.ssh.known_hosts_file",
          },
        ],
        probed: false,
        transport: "ssh2",
      },
      { backend: null, host: "someday", status: "unavailable", reasons: [], probed: false },
    ],
    unsandboxed: ["loose"],
    recent: {
      counts: [
        { action: "create", outcome: "rolled_back", count: 1 },
        { action: "run", outcome: "success", count: 2 },
      ],
      events: [
        {
          type: "change.ended",
          v: 1,
          at: Date.UTC(2026, 0, 2),
          workspace: "0123456789abcdef",
          action: "create",
          status: "rolled_back",
          duration_ms: 4200,
        },
      ],
    },
    diagnostics: [],
  };
}

export function explanation(): Explanation {
  return {
    fleet: "team",
    posture: posture().engines,
    agents: [
      agent("work", {
        tools: {
          ...agent("work").tools,
          verdict: {
            tool: "browser",
            verdict: "blocked",
            rule: "deny",
            pattern: "browser",
            key: "tools.sandbox.deny",
            file: "/repo/sandkeep.toml",
            line: 61,
            why: 'deny lists "browser", and deny wins over every allow',
            fix: [
              {
                key: "agents.work.tools.sandbox.deny",
                file: "/repo/agents/work.toml",
                line: 9,
                why: "remove the entry",
              },
            ],
          },
        },
      }),
      agent("ops", {
        mode: "off",
        backend: "local",
        sessions: [{ session_key: "agent:ops:main", sandboxed: false, address: null, why: "mode off" }],
        notes: ['isolation = "none" is no security boundary: commands can read and change whatever you can.'],
        runtimes: [],
        fix_it: [],
        elevated: { enabled: true, allowed_channels: ["slack"], failures: [] },
      }),
      agent("half", {
        mode: "non-main",
        scope: "session",
        sessions: [
          {
            session_key: "agent:half:main",
            sandboxed: false,
            address: null,
            why: "mode non-main leaves main on the host",
          },
          {
            session_key: "agent:half:pr-12",
            sandboxed: true,
            address: "session/agent:half:pr-12",
            why: "mode non-main sandboxes every other session",
          },
        ],
        runtimes: [
          {
            address: "session/agent:half:pr-12",
            name: "team-half-pr-12",
            status: "missing",
            object_id: null,
            would: [{ action: "no-op", why: "dormant since yesterday; the next run wakes it" }],
            busy: null,
            watch: null,
          },
        ],
      }),
    ],
    diagnostics: [],
  };
}

function listed(address: string, more: Partial<ListedRuntime> = {}): ListedRuntime {
  return {
    address,
    kind: "sandbox",
    role: "primary",
    expires_at: null,
    backend: "docker",
    host: "local",
    name: `team-${address.replaceAll("/", "-")}-0a1b2c`,
    object_id: "cafe",
    status: "running",
    agent: "work",
    session: null,
    spec_hash: null,
    config: "match",
    image: "node:22-slim",
    created_at: "2026-01-01T00:00:00.000Z",
    age_s: 100_000,
    last_used_at: null,
    idle_s: 4_000,
    busy: false,
    held: false,
    watch: null,
    ...more,
  };
}

export function listing(): Listing {
  return {
    runtimes: [
      listed("agent/main"),
      listed("agent/work", { config: "drift", busy: true, held: true, host: "build1", idle_s: 5 }),
      listed("session/agent:work:a-rather-long-session-name-of-a-pull-request", { status: "unhealthy" }),
      listed("shared", { status: "missing", config: "unknown", image: null, age_s: null, idle_s: null }),
    ],
    dormant: [
      {
        address: "agent/night",
        since: "2026-01-01T00:00:00.000Z",
        reason: "Idle for 26h; prune.idle is 24h.",
      },
    ],
    orphans: [listed("agent/old", { status: "stopped" })],
    foreign: [
      {
        backend: "docker",
        host: "local",
        name: "team-agent-web-123456",
        object_id: "f00d",
        why: "Belongs to another fleet of the same name (id zz9).",
      },
    ],
    unobserved: [{ backend: "docker", host: "build2", message: "connect ECONNREFUSED 10.0.0.7:2376" }],
  };
}

export function result(): ApplyResult {
  return {
    plan_id: `sha256:${"0f".repeat(32)}`,
    outcomes: [
      {
        address: "agent/main",
        action: "create",
        status: "done",
        duration_ms: 812.4,
        error: null,
        reason: "Declared, and nothing is there.",
      },
      {
        address: "agent/work",
        action: "recreate",
        status: "rolled_back",
        duration_ms: 12_345,
        error: {
          code: "UNHEALTHY",
          message: "The new runtime exited with code 1: cannot open /etc/app.conf",
          hint: "Look at its setup commands.",
        },
        reason: "image",
      },
      {
        address: "agent/busy",
        action: "recreate",
        status: "skipped",
        duration_ms: 0,
        error: null,
        reason: "A run is going on.",
      },
      {
        address: "agent/gone",
        action: "remove",
        status: "stale",
        duration_ms: 0,
        error: null,
        reason: "It changed after the plan was made.",
      },
      {
        address: "agent/bad",
        action: "create",
        status: "failed",
        duration_ms: 40,
        error: { code: "IMAGE_MISSING", message: "No such image: nope:1", hint: null },
        reason: "missing",
      },
    ],
    calls: { read: 9, write: 7 },
    summary: { done: 1, failed: 1, skipped: 1, stale: 1, rolled_back: 1 },
    exit_code: 1,
  };
}
