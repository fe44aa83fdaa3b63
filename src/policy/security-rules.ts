/**
 * What no sandbox gets, as an ordered table with a reason a row. Rules look at the shape of settings and at facts about
 * paths, never at which driver runs them. A row with a `glass` can be broken by the config's key of that name.
 */
import type { BreakGlassKey } from "../config/schema/break-glass.ts";
import type { Json } from "../model/json.ts";
import type { Settings } from "../model/settings.ts";
import { isList } from "../model/json.ts";
import { canonicalTarget } from "../resolve/paths.ts";
import type { Exposure, PathGuard, ProtectedKind } from "./protected-paths.ts";
import { isInside } from "./inside.ts";
import { allowsAll } from "./seccomp.ts";

export interface Bind {
  /** Absolute, as written. */
  readonly source: string;
  readonly target: string;
  /** Settings path. */
  readonly path: string;
}

export interface Question {
  readonly settings: Settings;
  readonly binds: readonly Bind[];
  /** Real paths that bind sources may lie in. */
  readonly roots: readonly string[];
  readonly guard: PathGuard;
  readonly realPath: (path: string) => string;
  /** Text of a file that a setting names; undefined when it cannot be read. */
  readonly readText: (path: string) => string | undefined;
}

export interface Breach {
  /** Settings path, as `provenance` takes it. */
  readonly path: string;
  readonly message: string;
  /** Another way out than those of the rule. */
  readonly hint?: string;
}

export interface SecurityRule {
  readonly code: string;
  /** For people who read this table. */
  readonly why: string;
  readonly hint: string;
  readonly glass?: BreakGlassKey;
  readonly find: (question: Question) => readonly Breach[];
}

/** Beside the workspace's own target. `below`: nothing may be mounted inside it either. */
const RESERVED_TARGETS: readonly { readonly path: string; readonly below: boolean }[] = [
  { path: "/proc", below: true },
  { path: "/sys", below: true },
  { path: "/dev", below: true },
  // Where a main program gets its secrets: whoever else had that folder could read or replace them.
  { path: "/run/sandkeep", below: true },
  { path: "/var/run/sandkeep", below: true },
  { path: "/etc", below: false },
  { path: "/", below: false },
];

/** The one folder below a reserved target that is memory anyway, of a size that programs ask for. */
const SHARED_MEMORY = "/dev/shm";

export const SECURITY_RULES: readonly SecurityRule[] = [
  sourceRule("system", "bind-source-system", "bind_source_system", "bind a folder of the project instead"),
  sourceRule(
    "credentials",
    "bind-source-credentials",
    "bind_source_credentials",
    "hand over single values with [sandbox.secrets] instead",
  ),
  sourceRule(
    "engine-socket",
    "bind-source-engine-socket",
    "bind_source_engine_socket",
    "remove the bind: whoever can talk to the engine owns its machine",
  ),
  sourceRule(
    "state",
    "bind-source-state",
    undefined,
    "bind another folder: what sandkeep keeps is for itself alone",
  ),
  {
    code: "bind-source-outside-roots",
    why: "a config should not hand out folders that nobody named as safe to hand out",
    hint: "add the folder to allowed_roots of the same section, or move the source into the workspace",
    find: ({ binds, roots, guard, realPath }) =>
      binds
        .filter(({ source }) => guard(source).length === 0)
        .filter(({ source }) => !roots.some((root) => isInside(realPath(source), root)))
        .map(({ path, source }) => ({
          path,
          message: `${shown(source, realPath)} lies outside the workspace and allowed_roots`,
        })),
  },
  {
    code: "bind-target-workspace",
    why: "commands would work on something else than the workspace",
    hint: "choose another target, such as /mnt/data",
    find: ({ binds, settings }) => {
      const workspace = canonicalTarget(settings.workspace.target);
      return binds
        .filter(({ target }) => isInside(workspace, target) && target !== "/")
        .map(({ path, target }) => ({ path, message: `${target} would hide the workspace at ${workspace}` }));
    },
  },
  {
    code: "bind-target-reserved",
    why: "these paths belong to the runtime",
    hint: "choose another target, such as /mnt/data",
    glass: "bind_target_reserved",
    find: ({ binds }) =>
      binds
        .filter(({ target }) => isReserved(target))
        .map(({ path, target }) => ({ path, message: `${target} is reserved inside a sandbox` })),
  },
  {
    code: "tmpfs-target-reserved",
    why: "an empty folder there would break the runtime, or hide the workspace",
    hint: "choose another target, such as /tmp",
    find: ({ settings }) =>
      tmpfsTargets(settings).flatMap((target) => {
        const workspace = canonicalTarget(settings.workspace.target);
        const hides = isInside(workspace, target) && target !== workspace;
        if (!hides && (!isReserved(target) || target === SHARED_MEMORY)) return [];
        const message = hides
          ? `${target} would hide the workspace at ${workspace}`
          : `${target} is reserved inside a sandbox`;
        return [{ path: `${settings.backend}.tmpfs`, message }];
      }),
  },
  {
    code: "workspace-source-exposed",
    why: "a workspace is a bind too, only with a name of its own",
    hint: "put the config in a project folder, set workspace.source to one, or set workspace.access to none",
    find: ({ settings, guard }) => {
      if (settings.workspace.access === "none") return [];
      const [exposed] = guard(settings.workspace.source);
      return exposed === undefined ? [] : [breachAt("workspace.source", exposed)];
    },
  },
  {
    code: "workspace-target-reserved",
    why: "a workspace over these paths would break the runtime",
    hint: 'choose another target, such as "/workspace"',
    find: ({ settings: { workspace } }) =>
      isReserved(canonicalTarget(workspace.target))
        ? [{ path: "workspace.target", message: `${workspace.target} is reserved inside a sandbox` }]
        : [],
  },
  textRule("docker.network", "network-host", "network_host", /^(?:host$|slirp4netns:|pasta:)/i, {
    why: "the machine's own network reaches every service that trusts localhost",
    message: "the host's network is not isolated from it",
    hint: 'use "none", "bridge" or a network of your own',
  }),
  textRule("docker.network", "network-container", "network_container", /^(?:container|ns|pod):/i, {
    why: "joining another's network reaches what only that one should",
    message: "joining another container's network namespace is refused",
    hint: "connect both to a network of their own",
  }),
  textRule("docker.seccomp", "seccomp-unconfined", "seccomp_unconfined", /^unconfined$/i, {
    why: "without the filter every kernel bug is within reach",
    message: "the system call filter may not be turned off",
    hint: 'use "default", or a profile file that adds only what is needed',
  }),
  {
    code: "seccomp-allows-all",
    why: "a profile that stops nothing is no filter, whatever it is called",
    hint: 'use "default", or a profile whose defaultAction refuses what it does not name',
    glass: "seccomp_unconfined",
    find: ({ settings, readText }) => {
      const path = "docker.seccomp";
      const file = optionAt(settings, path);
      if (typeof file !== "string" || !allowsAll(readText(file))) return [];
      return [{ path, message: `the profile ${file} allows every system call` }];
    },
  },
  textRule("docker.apparmor", "apparmor-unconfined", "apparmor_unconfined", /^unconfined$/i, {
    why: "without a profile the container may do what its user may",
    message: "AppArmor may not be turned off",
    hint: "remove this key, or name a profile of the engine's machine",
  }),
  {
    code: "user-root",
    why: "forbid_root was set, and only a number says for every image that it is not root",
    hint: 'set user to a number other than 0, such as "1000:1000"',
    find: ({ settings }) => {
      if (optionAt(settings, "docker.forbid_root") !== true) return [];
      const path = "docker.user";
      const user = optionAt(settings, path);
      if (typeof user !== "string")
        return [{ path, message: "without a user the image decides, and that may be root" }];
      const [uid = ""] = user.split(":");
      if (/^\d+$/.test(uid) && Number(uid) > 0) return [];
      const message = /^(?:0+|root)$/.test(uid)
        ? `${JSON.stringify(user)} is root, which forbid_root refuses`
        : `${JSON.stringify(user)} may be root in some image`;
      return [{ path, message }];
    },
  },
];

function sourceRule(
  kind: ProtectedKind,
  code: string,
  glass: BreakGlassKey | undefined,
  hint: string,
): SecurityRule {
  return {
    code,
    why: "what a sandbox can read it can leak, and what it can write it can use to get out",
    hint,
    ...(glass === undefined ? {} : { glass }),
    find: ({ binds, guard }) =>
      binds.flatMap(({ path, source }) =>
        guard(source)
          .filter((exposed) => exposed.kind === kind)
          .map((exposed) => breachAt(path, exposed)),
      ),
  };
}

function breachAt(path: string, { what, variable }: Exposure): Breach {
  const found = { path, message: what };
  return variable === undefined ? found : { ...found, hint: `let ${variable} name another place` };
}

interface TextFault {
  readonly why: string;
  readonly message: string;
  readonly hint: string;
}

function textRule(
  path: string,
  code: string,
  glass: BreakGlassKey,
  refused: RegExp,
  { why, message, hint }: TextFault,
): SecurityRule {
  return {
    code,
    why,
    hint,
    glass,
    find: ({ settings }) => {
      const value = optionAt(settings, path);
      if (typeof value !== "string" || !refused.test(value.trim())) return [];
      return [{ path, message: `${JSON.stringify(value)}: ${message}` }];
    },
  };
}

function tmpfsTargets({ options }: Settings): readonly string[] {
  const written = options["tmpfs"];
  if (!isList(written)) return [];
  return written.flatMap((each) =>
    typeof each === "string" ? [canonicalTarget(each.split(":", 1)[0] ?? "")] : [],
  );
}

function isReserved(target: string): boolean {
  return RESERVED_TARGETS.some(({ path, below }) => target === path || (below && isInside(target, path)));
}

/** The value at `<section>.<key>`; undefined when the settings are those of another section. */
function optionAt({ backend, options }: Settings, path: string): Json | undefined {
  const [section, key = ""] = path.split(".");
  return section === (SAME_KEYS[backend] ?? backend) ? options[key] : undefined;
}

/** Sections whose keys mean what those of another one mean. */
const SAME_KEYS: Readonly<Record<string, string>> = { podman: "docker" };

/** A rule's path as the settings' own section has it. */
export function ownPath(path: string, { backend }: Settings): string {
  const same = `${SAME_KEYS[backend] ?? backend}.`;
  return path.startsWith(same) ? `${backend}.${path.slice(same.length)}` : path;
}

function shown(source: string, realPath: (path: string) => string): string {
  const real = realPath(source);
  return real === source ? source : `${source} (really ${real})`;
}
