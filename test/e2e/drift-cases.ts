import type Docker from "dockerode";
import { expect } from "vitest";

// Every way to change a container behind sandkeep's back, one for each field that an engine shows. A field of the table that
// has neither a case here nor a reason in UNSEEN fails the test of the field table.

/** What a person holds in hand to meddle. */
export interface Hands {
  /** The docker CLI. */
  readonly docker: (...args: readonly string[]) => Promise<string>;
  /** Removes a container and makes another of its name and labels, but for what `edit` changes. */
  readonly remake: (name: string, edit: (body: Body) => void, started?: boolean) => Promise<void>;
  /** A network of the test. */
  readonly network: string;
}

/** Body of `POST /containers/create`, as an inspect of the container gives it. */
export type Body = Docker.ContainerCreateOptions & {
  Env: string[];
  Labels: Record<string, string>;
  HostConfig: Docker.HostConfig & {
    Mounts: Docker.MountConfig;
    Tmpfs: Record<string, string>;
    SecurityOpt: string[];
  };
};

export interface DriftCase {
  readonly agent: string;
  /** Row of the field table; null for what is no field: whether it runs, its name, whether it is there. */
  readonly field: string | null;
  /** Keys of `[agents.NAME.sandbox]`, beside what all of the fleet have. */
  readonly config?: string;
  readonly meddle: (hands: Hands, name: string) => Promise<unknown>;
  readonly actions: readonly string[];
  readonly reasons: Readonly<Record<string, readonly [unknown, unknown]>>;
  readonly why: RegExp;
}

/** Rows that no container shows, so that nobody can change them there. */
export const UNSEEN: Readonly<Record<string, string>> = {
  setup: "what it did to the file system is the agent's own from then on",
  secrets: "handed to each command, never to the container",
  ready: "asked while the runtime comes up",
  "workspace.sync": "when the copy is brought up to date",
  "workspace.ignore": "what of the workspace is copied",
  writes: "told by the source of the workspace's mount, which a case changes",
  "docker.image_policy": "says when to fetch",
  "docker.stop_timeout": "given with each stop, whatever the container says",
  "docker.allowed_roots": "a rule for configs",
  "docker.forbid_root": "a rule for configs",
  "docker.break_glass": "exceptions from rules for configs",
  "docker.state_directory": "not shown unless state lies in a bind: a test of its own moves it there",
  "docker.egress": "shown only by what stands behind a gate: the tests of gates read it changed",
};

const MiB = 2 ** 20;

export const FLEET_KEYS = `
image = "sandkeep-test/busybox:1"
network = "bridge"
memory = "64MiB"
cpus = 0.5
pids = 64
`;

/** A field that is fixed when the container is made: somebody made it again, with that one field different. */
function remade(
  field: string,
  edit: (body: Body) => void,
  reasons: DriftCase["reasons"],
  {
    agent = agentOf(field),
    config,
    started = true,
  }: { agent?: string; config?: string; started?: boolean } = {},
): DriftCase {
  return {
    agent,
    field,
    ...(config === undefined ? {} : { config }),
    meddle: ({ remake }, name) => remake(name, edit, started),
    actions: ["recreate"],
    reasons,
    why: /can only be changed by replacing it/,
  };
}

/** A field that `docker update` changes. */
function updated(
  field: string,
  flags: readonly string[],
  reasons: DriftCase["reasons"],
  { agent = agentOf(field), actions = ["update"] }: { agent?: string; actions?: readonly string[] } = {},
): DriftCase {
  const [action] = actions;
  return {
    agent,
    field,
    meddle: ({ docker }, name) => docker("update", ...flags, name),
    actions,
    reasons,
    why: action === "update" ? /can be changed in place/ : /can only be changed by replacing it/,
  };
}

function agentOf(field: string): string {
  return field.replace(/^docker\./, "").replaceAll(/[._]/g, "-");
}

const RW = { config: 'workspace = { access = "rw" }' };

const WORKSPACE: readonly DriftCase[] = [
  remade(
    "workspace.source",
    ({ HostConfig: { Mounts } }) => change(Mounts[0], { Source: "/opt" }),
    { "workspace.source": ["/opt", expect.stringMatching(/project$/)] },
    RW,
  ),
  remade(
    "workspace.access",
    ({ HostConfig: { Mounts } }) => change(Mounts[0], { ReadOnly: true }),
    { "workspace.access": ["ro", "rw"] },
    RW,
  ),
  remade(
    "workspace.target",
    ({ HostConfig: { Mounts } }) => change(Mounts[0], { Target: "/elsewhere" }),
    {
      "workspace.target": [null, "/workspace"],
      "docker.binds": [
        [{ source: expect.stringMatching(/project$/), target: "/elsewhere", mode: "rw" }],
        null,
      ],
    },
    RW,
  ),
  remade(
    "workspace.provider",
    ({ HostConfig }) => {
      HostConfig.Mounts = [{ Type: "volume", Target: "/workspace", Source: "" }];
    },
    { "workspace.provider": ["volume", "bind"] },
    RW,
  ),
];

const FIXED: readonly DriftCase[] = [
  remade("env", (body) => body.Env.push("EXTRA=1"), { "env.EXTRA": ["1", null] }),
  remade(
    "env",
    (body) => (body.Env = ["A=2", "LANG=C.UTF-8"]),
    { "env.A": ["2", "1"] },
    {
      agent: "env-changed",
      config: 'env = { A = "1" }',
    },
  ),
  remade("docker.image", (body) => (body.Image = "sandkeep-test/busybox:2"), {
    image: [expect.stringMatching(/^sha256:/), expect.stringMatching(/^sha256:/)],
  }),
  remade("docker.command", (body) => (body.Cmd = ["7200"]), {
    "docker.command": [["sleep", "7200"], null],
  }),
  remade(
    "docker.user",
    (body) => (body.User = "0:0"),
    { "docker.user": ["0:0", "1000:1000"] },
    {
      config: 'docker = { user = "1000:1000" }',
    },
  ),
  remade(
    "docker.user",
    (body) => (body.User = "1000:0"),
    { "docker.user": ["1000:0", null] },
    {
      agent: "user-unset",
    },
  ),
  remade("docker.workdir", (body) => (body.WorkingDir = "/"), { "docker.workdir": ["/", null] }),
  remade(
    "docker.binds",
    ({ HostConfig: { Mounts } }) => change(Mounts[1], { ReadOnly: false }),
    {
      "docker.binds": [[expect.objectContaining({ mode: "rw" })], [expect.objectContaining({ mode: "ro" })]],
    },
    { config: 'docker = { binds = ["./data:/data:ro"] }' },
  ),
  remade(
    "docker.binds",
    ({ HostConfig: { Mounts } }) => Mounts.push({ Type: "volume", Target: "/extra", Source: "" }),
    { "docker.binds": [[{ source: expect.any(String), target: "/extra", mode: "rw" }], null] },
    { agent: "binds-volume" },
  ),
  remade(
    "docker.ulimits",
    ({ HostConfig }) => (HostConfig.Ulimits = [{ Name: "nofile", Soft: 256, Hard: 512 }]),
    {
      "docker.ulimits.nofile": [
        { soft: 256, hard: 512 },
        { soft: 1024, hard: 1024 },
      ],
    },
    { config: "docker = { ulimits = { nofile = 1024 } }" },
  ),
  remade("docker.tmpfs", ({ HostConfig }) => (HostConfig.Tmpfs = { "/tmp": "size=1m" }), {
    "docker.tmpfs": [["/tmp:size=1m"], ["/run", "/tmp", "/var/tmp"]],
  }),
  remade(
    "docker.tmpfs",
    ({ HostConfig }) => HostConfig.Mounts.push({ Type: "tmpfs", Target: "/more", Source: "" }),
    {
      "docker.tmpfs": [
        ["/more", "/run", "/tmp", "/var/tmp"],
        ["/run", "/tmp", "/var/tmp"],
      ],
    },
    { agent: "tmpfs-mount" },
  ),
  remade("docker.read_only_root", ({ HostConfig }) => (HostConfig.ReadonlyRootfs = false), {
    "docker.read_only_root": [false, true],
  }),
  remade("docker.cap_drop", ({ HostConfig }) => (HostConfig.CapDrop = ["NET_RAW"]), {
    "docker.cap_drop": [["NET_RAW"], ["ALL"]],
  }),
  remade("docker.seccomp", ({ HostConfig }) => HostConfig.SecurityOpt.push("seccomp=unconfined"), {
    "docker.seccomp": ["unconfined", null],
  }),
  remade("docker.apparmor", ({ HostConfig }) => HostConfig.SecurityOpt.push("apparmor=unconfined"), {
    "docker.apparmor": ["unconfined", null],
  }),
  remade("docker.dns", ({ HostConfig }) => (HostConfig.Dns = ["9.9.9.9"]), {
    "docker.dns": [["9.9.9.9"], null],
  }),
  remade("docker.extra_hosts", ({ HostConfig }) => (HostConfig.ExtraHosts = ["db:10.0.0.5"]), {
    "docker.extra_hosts": [["db:10.0.0.5"], null],
  }),
  remade(
    "docker.gpus",
    ({ HostConfig }) => (HostConfig.DeviceRequests = [{ Count: -1, Capabilities: [["gpu"]] }]),
    // No engine of the tests has one, so that it cannot be started either.
    { "docker.gpus": ["all", null], state: ["created", "running"] },
    { started: false },
  ),
  remade("docker.init", ({ HostConfig }) => (HostConfig.Init = false), { "docker.init": [false, true] }),
  remade("docker.no_new_privileges", ({ HostConfig }) => (HostConfig.SecurityOpt = []), {
    "docker.no_new_privileges": [false, true],
  }),
  remade("docker.labels", ({ Labels }) => (Labels["team"] = "blue"), {
    "docker.labels.team": ["blue", null],
  }),
  remade("docker.engine_privileges", ({ HostConfig }) => (HostConfig.CapAdd = ["NET_ADMIN"]), {
    "docker.engine_privileges": [expect.stringMatching(/^cap_add=(CAP_)?NET_ADMIN$/), null],
  }),
  remade(
    "docker.engine_privileges",
    ({ HostConfig }) => (HostConfig.PidMode = "host"),
    {
      "docker.engine_privileges": [expect.stringMatching(/^pid=host/), null],
    },
    { agent: "pid-host" },
  ),
];

const LIVE: readonly DriftCase[] = [
  updated("docker.memory", ["--memory", "128m", "--memory-swap", "256m"], {
    "docker.memory": [128 * MiB, 64 * MiB],
    "docker.memory_swap": [256 * MiB, 128 * MiB],
  }),
  updated("docker.memory_swap", ["--memory-swap", "192m"], { "docker.memory_swap": [192 * MiB, 128 * MiB] }),
  updated("docker.cpus", ["--cpus", "1"], { "docker.cpus": [1, 0.5] }),
  updated(
    "docker.cpus",
    ["--cpu-quota", "-1"],
    { "docker.cpus": ["unlimited (quota -1)", 0.5] },
    { agent: "cpus-quota", actions: ["recreate"] },
  ),
  updated("docker.pids", ["--pids-limit", "99"], { "docker.pids": [99, 64] }),
  updated(
    "docker.pids",
    ["--pids-limit", "-1"],
    { "docker.pids": ["unlimited", 64] },
    { agent: "pids-unlimited" },
  ),
  updated("docker.restart", ["--restart", "on-failure:3"], { "docker.restart": ["on-failure:3", "no"] }),
  updated(
    "docker.engine_limits",
    ["--cpu-shares", "100"],
    { "docker.engine_limits": ["cpu_shares=100", null] },
    { actions: ["recreate"] },
  ),
];

const NETWORK: readonly DriftCase[] = [
  {
    agent: "connected",
    field: "docker.network",
    meddle: ({ docker, network }, name) => docker("network", "connect", network, name),
    actions: ["recreate"],
    reasons: { "docker.network": [expect.stringContaining("bridge,"), "bridge"] },
    why: /docker\.network can only be changed by replacing it/,
  },
  {
    agent: "detached",
    field: "docker.network",
    meddle: ({ docker }, name) => docker("network", "disconnect", "bridge", name),
    actions: ["recreate"],
    reasons: { "docker.network": [null, "bridge"] },
    why: /docker\.network can only be changed by replacing it/,
  },
];

const WHOLE: readonly DriftCase[] = [
  {
    agent: "stopped",
    field: null,
    meddle: ({ docker }, name) => docker("stop", "-t", "0", name),
    actions: ["start"],
    reasons: { state: ["stopped", "running"] },
    why: /ended with exit code 1(?:37|43)/,
  },
  {
    agent: "killed",
    field: null,
    meddle: ({ docker }, name) => docker("kill", name),
    actions: ["start"],
    reasons: { state: ["stopped", "running"] },
    why: /ended with exit code 137/,
  },
  {
    // Its secrets were in memory, which a restart empties: it waits for them.
    agent: "restarted",
    field: "docker.command_secrets",
    config: `docker = { command = ["sleep", "7200"] }
secrets = { PW = { command = ["echo", "secret"], for = ["command"] } }`,
    meddle: ({ docker }, name) => docker("restart", "-t", "1", name),
    actions: ["update"],
    reasons: { "docker.command_secrets": [[], ["PW"]] },
    why: /docker\.command_secrets can be changed in place/,
  },
  {
    agent: "paused",
    field: null,
    meddle: ({ docker }, name) => docker("pause", name),
    actions: ["start"],
    reasons: { state: ["paused", "running"] },
    why: /paused/,
  },
  {
    agent: "renamed",
    field: null,
    meddle: ({ docker }, name) => docker("rename", name, `${name}-by-hand`),
    actions: ["adopt"],
    reasons: {},
    why: /it was renamed to .*-by-hand/,
  },
  {
    agent: "removed",
    field: null,
    meddle: ({ docker }, name) => docker("rm", "-f", name),
    actions: ["create"],
    reasons: {},
    why: /it does not exist/,
  },
];

export const DRIFT_CASES: readonly DriftCase[] = [...WORKSPACE, ...FIXED, ...LIVE, ...NETWORK, ...WHOLE];

function change<T extends object>(value: T | undefined, by: Partial<T>): void {
  if (value === undefined) throw new Error("nothing there to change");
  Object.assign(value, by);
}

/** `Hands.remake` on an engine. */
export function remaker(engine: Docker): Hands["remake"] {
  return async (name, edit, started = true) => {
    const old = engine.getContainer(name);
    const { Config, HostConfig } = await old.inspect();
    const body: Body = {
      ...Config,
      name,
      HostConfig: {
        ...HostConfig,
        Mounts: HostConfig.Mounts ?? [],
        Tmpfs: HostConfig.Tmpfs ?? {},
        SecurityOpt: HostConfig.SecurityOpt ?? [],
      },
    };
    edit(body);
    await old.remove({ force: true, v: true });
    const made = await engine.createContainer(body);
    if (started) await made.start();
  };
}
