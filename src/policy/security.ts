/**
 * What sandkeep refuses to make, whoever asks: in come resolved settings and what paths really are, out come errors at
 * the key that says so. Pure over the facts handed in; rules look at the shape of settings, never at which driver runs them.
 */
import type { Diagnostic } from "../model/diagnostic.ts";
import type { Json } from "../model/json.ts";
import type { ResolvedAgent, Settings } from "../model/settings.ts";
import { errorAt } from "../resolve/diagnose.ts";
import { isList, isTable } from "../resolve/merge.ts";
import { absolutePath, canonicalTarget } from "../resolve/paths.ts";
import type { Exposure, HostPaths, PathGuard, ProtectedKind } from "./protected-paths.ts";
import { isInside, pathGuard } from "./protected-paths.ts";

export interface SecurityFacts extends HostPaths {
  /** Folder of the root config. */
  readonly root: string;
}

/** One refusal, before it is told to an agent: settings are shared, positions are not. */
interface Refusal {
  readonly code: string;
  /** Settings path, as `provenance` takes it. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

interface Bind {
  /** Absolute, as written. */
  readonly source: string;
  readonly target: string;
  /** Settings path. */
  readonly path: string;
}

interface Question {
  readonly settings: Settings;
  readonly binds: readonly Bind[];
  /** Real paths that bind sources may lie in. */
  readonly roots: readonly string[];
  readonly guard: PathGuard;
  readonly facts: SecurityFacts;
}

interface Rule {
  readonly code: string;
  /** For people who read this table. */
  readonly why: string;
  readonly hint: string;
  /** Settings path and what is wrong there, for every breach. */
  readonly find: (question: Question) => readonly { readonly path: string; readonly message: string }[];
}

/** Beside the workspace's own target. `below`: nothing may be mounted inside it either. */
const RESERVED_TARGETS: readonly { readonly path: string; readonly below: boolean }[] = [
  { path: "/proc", below: true },
  { path: "/sys", below: true },
  { path: "/dev", below: true },
  { path: "/etc", below: false },
  { path: "/", below: false },
];

const RULES: readonly Rule[] = [
  sourceRule("system", "bind-source-system", "bind a folder of the project instead"),
  sourceRule(
    "credentials",
    "bind-source-credentials",
    "hand over single values with [sandbox.secrets] instead",
  ),
  sourceRule(
    "engine-socket",
    "bind-source-engine-socket",
    "remove the bind: whoever can talk to the engine owns its machine",
  ),
  sourceRule("state", "bind-source-state", "bind another folder: what sandkeep keeps is for itself alone"),
  {
    code: "bind-source-outside-roots",
    why: "a config should not hand out folders that nobody named as safe to hand out",
    hint: "add the folder to allowed_roots of the same section, or move the source into the workspace",
    find: ({ binds, roots, guard, facts }) =>
      binds
        .filter(({ source }) => guard(source) === undefined)
        .filter(({ source }) => !roots.some((root) => isInside(facts.realPath(source), root)))
        .map(({ path, source }) => ({
          path,
          message: `${shown(source, facts)} lies outside the workspace and allowed_roots`,
        })),
  },
  {
    code: "bind-target-reserved",
    why: "these paths belong to the runtime, and the workspace to the workspace setting",
    hint: "choose another target, such as /mnt/data",
    find: ({ binds, settings }) =>
      binds.flatMap(({ path, target }) => {
        const workspace = canonicalTarget(settings.workspace.target);
        if (isInside(workspace, target) && target !== "/") {
          return [{ path, message: `${target} would hide the workspace at ${workspace}` }];
        }
        return isReserved(target) ? [{ path, message: `${target} is reserved inside a sandbox` }] : [];
      }),
  },
  {
    code: "workspace-source-exposed",
    why: "a workspace is a bind too, only with a name of its own",
    hint: "put the config in a project folder, set workspace.source to one, or set workspace.access to none",
    find: ({ settings, guard }) => {
      if (settings.workspace.access === "none") return [];
      const exposed = guard(settings.workspace.source);
      return exposed === undefined ? [] : [{ path: "workspace.source", message: exposed.what }];
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
  textRule("docker.network", "network-host", /^host$/i, {
    why: "the machine's own network reaches every service that trusts localhost",
    message: "the host's network is not isolated from it",
    hint: 'use "none", "bridge" or a network of your own',
  }),
  textRule("docker.network", "network-container", /^container:/i, {
    why: "joining another container's network reaches what only that one should",
    message: "joining another container's network namespace is refused",
    hint: "connect both to a network of their own",
  }),
  textRule("docker.seccomp", "seccomp-unconfined", /^unconfined$/i, {
    why: "without the filter every kernel bug is within reach",
    message: "the system call filter may not be turned off",
    hint: 'use "default", or a profile file that adds only what is needed',
  }),
  textRule("docker.apparmor", "apparmor-unconfined", /^unconfined$/i, {
    why: "without a profile the container may do what its user may",
    message: "AppArmor may not be turned off",
    hint: "remove this key, or name a profile of the engine's machine",
  }),
];

function sourceRule(kind: ProtectedKind, code: string, hint: string): Rule {
  return {
    code,
    why: "what a sandbox can read it can leak, and what it can write it can use to get out",
    hint,
    find: ({ binds, guard }) =>
      binds.flatMap(({ path, source }) => {
        const exposed: Exposure | undefined = guard(source);
        return exposed?.kind === kind ? [{ path, message: exposed.what }] : [];
      }),
  };
}

interface TextFault {
  readonly why: string;
  readonly message: string;
  readonly hint: string;
}

function textRule(path: string, code: string, refused: RegExp, { why, message, hint }: TextFault): Rule {
  return {
    code,
    why,
    hint,
    find: ({ settings }) => {
      const value = optionAt(settings, path);
      if (typeof value !== "string" || !refused.test(value.trim())) return [];
      return [{ path, message: `${JSON.stringify(value)}: ${message}` }];
    },
  };
}

/** Errors for what one agent's settings must not ask for. */
export function checkSecurity(agent: ResolvedAgent, facts: SecurityFacts): readonly Diagnostic[] {
  return tell(agent, refusals(agent.settings, facts, pathGuard(facts)));
}

/** The same for many agents: settings shared by reference are judged once, and a fault of the fleet is told once. */
export function checkFleetSecurity(
  agents: readonly ResolvedAgent[],
  facts: SecurityFacts,
): readonly Diagnostic[] {
  const guard = pathGuard(facts);
  const judged = new Map<Settings, readonly Refusal[]>();
  const found = new Map<string, Diagnostic>();
  for (const agent of agents) {
    const known = judged.get(agent.settings) ?? refusals(agent.settings, facts, guard);
    judged.set(agent.settings, known);
    for (const each of tell(agent, known)) {
      const id = `${each.code} ${each.path} ${each.message}`;
      if (!found.has(id)) found.set(id, each);
    }
  }
  return [...found.values()];
}

function tell(agent: ResolvedAgent, found: readonly Refusal[]): readonly Diagnostic[] {
  return found.map(({ path, ...fault }) => errorAt(agent.provenance(path), fault));
}

function refusals(settings: Settings, facts: SecurityFacts, guard: PathGuard): readonly Refusal[] {
  const question = {
    settings,
    binds: bindsOf(settings, facts),
    roots: rootsOf(settings, facts),
    guard,
    facts,
  };
  return RULES.flatMap(({ code, hint, find }) => find(question).map((breach) => ({ code, hint, ...breach })));
}

function bindsOf({ backend, options }: Settings, facts: SecurityFacts): readonly Bind[] {
  const binds = options["binds"];
  if (!isList(binds)) return [];
  return binds.flatMap((bind) => {
    const source = isTable(bind) ? bind["source"] : undefined;
    const written = isTable(bind) ? bind["target"] : undefined;
    if (typeof source !== "string" || typeof written !== "string") return [];
    const target = canonicalTarget(written);
    const path = `${backend}.binds[${target}]`;
    return [{ source: absolutePath(source, facts.root, facts.home), target, path }];
  });
}

function rootsOf({ workspace, options }: Settings, facts: SecurityFacts): readonly string[] {
  const allowed = options["allowed_roots"];
  const written = isList(allowed) ? allowed.filter((each) => typeof each === "string") : [];
  const folders = written.map((each) => absolutePath(each, facts.root, facts.home));
  return [workspace.source, ...folders].map((folder) => facts.realPath(folder));
}

function isReserved(target: string): boolean {
  return RESERVED_TARGETS.some(({ path, below }) => target === path || (below && isInside(target, path)));
}

/** The value at `<section>.<key>`; undefined when the settings are those of another section. */
function optionAt(settings: Settings, path: string): Json | undefined {
  const [section, key = ""] = path.split(".");
  return section === settings.backend ? settings.options[key] : undefined;
}

function shown(source: string, facts: SecurityFacts): string {
  const real = facts.realPath(source);
  return real === source ? source : `${source} (really ${real})`;
}
