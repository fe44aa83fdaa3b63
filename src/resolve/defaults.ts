import type { JsonObject } from "../model/json.ts";
import type { Access, Settings } from "../model/settings.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What holds where neither the agent nor `[sandbox]` says a thing. Durations are milliseconds. */
export const BUILT_IN = {
  mode: "all",
  scope: "agent",
  backend: "local",
  writes: "direct",
  provision: "eager",
  protect: false,
  attest: false,
  setup: [],
  env: { LANG: "C.UTF-8" },
  secrets: {},
  workspace: { source: ".", target: "/workspace", sync: "seed", ignore: "off" },
  timeouts: { fetch: 15 * MINUTE, seed: 10 * MINUTE, setup: 15 * MINUTE },
  prune: { idle: 24 * HOUR, max_age: 7 * DAY },
  disruption: { when: "idle", max_wait: HOUR },
  salvage: {
    when: "off",
    include: ["/"],
    exclude: [],
    max_bytes: 1024 ** 3,
    oversize: "fail",
    keep: "all",
    max_age: 30 * DAY,
  },
} as const satisfies Partial<Omit<Settings, "workspace">> & { workspace: Partial<Settings["workspace"]> };

/** Only where a `ready` table gives the command. */
export const READY = { timeout: 30 * SECOND, interval: SECOND } as const;

export const SESSIONS: readonly string[] = ["main"];
export const NAME_PREFIX = "sandkeep";
export const GUARDS = { max_destroy: "off", allow_empty: false } as const;
export const RUNS = {
  max_log: 256 * 1024 * 1024,
  ephemeral_ttl: HOUR,
  artifacts: [],
  max_artifacts: 256 * 1024 * 1024,
  cleanup: { automatic: false, older_than: 7 * DAY, failed_only: false, source: "all" },
} as const;
/** What makes git run something by itself, in any repository of the workspace, is never taken from an agent unless somebody says so. */
export const STAGE = {
  auto_apply: [],
  deny: [
    "**/.git/{config,config.worktree,hooks,commondir,info,worktrees}",
    "**/.git/modules/**/{config,config.worktree,hooks,commondir,info,worktrees}",
  ],
  max_bytes: 1024 * 1024 * 1024,
  git_ignored: "include",
} as const;
/** Replacements of one cause begin with one; after it the engines' own limits hold. */
export const ROLLOUT = { max_parallel: "off", canary: 1, pause_on_failure: true } as const;
export const WATCH = { resync: 5 * MINUTE, workers: 4, debounce: 500 } as const;

/** What one backend's section of `[sandbox]` starts from. */
export interface SectionDefaults {
  /** How a workspace is seen when nobody says so. */
  readonly access: Access;
  readonly values: JsonObject;
  /** True where the section itself says what it connects to, by its keys `endpoint` and `tls`. */
  readonly places?: boolean;
  /** Further defaults that hold only together with other values of the section. */
  readonly when?: readonly { readonly has: JsonObject; readonly values: JsonObject }[];
}

const CONTAINER: SectionDefaults = {
  access: "none",
  values: {
    image_policy: "missing",
    network: "none",
    pids: 512,
    tmpfs: ["/tmp", "/var/tmp", "/run"],
    read_only_root: true,
    cap_drop: ["ALL"],
    init: true,
    no_new_privileges: true,
    restart: "no",
    stop_timeout: 10 * SECOND,
  },
};

/** By section name. A backend without a row starts from an empty section. */
export const SECTIONS: Readonly<Record<string, SectionDefaults>> = {
  docker: CONTAINER,
  podman: CONTAINER,
  local: {
    access: "rw",
    values: { isolation: "none", home: "own" },
    // Without isolation nothing could enforce a network setting, so claiming one would be a lie.
    when: [{ has: { isolation: "bubblewrap" }, values: { network: "none" } }],
  },
  ssh: {
    access: "none",
    values: { workspace_root: "~/.sandkeep/sandboxes", isolation: "none", on_disconnect: "kill" },
    when: [{ has: { isolation: "bubblewrap" }, values: { network: "none" } }],
  },
  buildkit: {
    // A command gets a copy of it, since the folder it works on is what a build is about.
    access: "rw",
    values: { image_policy: "missing", network: "none", max_parallel: 4, queue_capacity: 32 },
    places: true,
  },
};

const NO_SECTION: SectionDefaults = { access: "none", values: {} };

export function sectionDefaults(backend: string): SectionDefaults {
  return (Object.hasOwn(SECTIONS, backend) ? SECTIONS[backend] : undefined) ?? NO_SECTION;
}
