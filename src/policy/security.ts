/**
 * What sandkeep refuses to make, whoever asks: in come resolved settings and what paths really are, out come errors at
 * the key that says so, and a warning for every rule that the config breaks on purpose. Pure over the facts handed in.
 */
import type { Diagnostic } from "../model/diagnostic.ts";
import type { ResolvedAgent, Settings } from "../model/settings.ts";
import { errorAt } from "../resolve/diagnose.ts";
import { isList, isTable } from "../model/json.ts";
import { absolutePath, canonicalTarget } from "../resolve/paths.ts";
import type { HostPaths, PathGuard } from "./protected-paths.ts";
import { pathGuard } from "./protected-paths.ts";
import type { Bind, Breach, SecurityRule } from "./security-rules.ts";
import { ownPath, SECURITY_RULES } from "./security-rules.ts";

export interface SecurityFacts extends HostPaths {
  /** Folder of the root config. */
  readonly root: string;
  /** Text of a small file; without it no file is looked into. */
  readonly readText?: (path: string) => string | undefined;
}

/** One finding, before it is told to an agent: settings are shared, positions are not. */
interface Finding extends Breach {
  readonly severity: "error" | "warning";
  readonly code: string;
  readonly hint: string;
}

/** Errors for what one agent's settings must not ask for. */
export function checkSecurity(agent: ResolvedAgent, facts: SecurityFacts): readonly Diagnostic[] {
  return tell(agent, judge(agent.settings, facts, pathGuard(facts)));
}

/** The same for many agents: settings shared by reference are judged once, and a fault of the fleet is told once. */
export function checkFleetSecurity(
  agents: readonly ResolvedAgent[],
  facts: SecurityFacts,
): readonly Diagnostic[] {
  const guard = pathGuard(facts);
  const judged = new Map<Settings, readonly Finding[]>();
  const found = new Map<string, Diagnostic>();
  for (const agent of agents) {
    const known = judged.get(agent.settings) ?? judge(agent.settings, facts, guard);
    judged.set(agent.settings, known);
    for (const each of tell(agent, known)) {
      const id = `${each.code} ${each.path} ${each.message}`;
      if (!found.has(id)) found.set(id, each);
    }
  }
  return withoutNeeded([...found.values()]);
}

function tell(agent: ResolvedAgent, found: readonly Finding[]): readonly Diagnostic[] {
  return found.map(({ path, severity, ...fault }) => ({
    ...errorAt(agent.provenance(path), fault),
    severity,
  }));
}

/** An exception of the fleet that one agent needs is needed, although another one has no use for it. */
function withoutNeeded(found: readonly Diagnostic[]): readonly Diagnostic[] {
  const needed = new Set(found.filter(({ code }) => code === BROKEN).map(({ path }) => path));
  return found.filter(({ code, path }) => code !== UNUSED || !needed.has(path));
}

const BROKEN = "break-glass";
const UNUSED = "break-glass-unused";

function judge(settings: Settings, facts: SecurityFacts, guard: PathGuard): readonly Finding[] {
  const { root, home, realPath, readText } = facts;
  const question = {
    settings,
    binds: bindsOf(settings, facts),
    roots: rootsOf(settings, facts, guard),
    guard,
    realPath,
    readText: (path: string) => readText?.(realPath(absolutePath(path, root, home))),
  };
  const reasons = new Map(reasonsOf(settings));
  const used = new Set<string>();
  const findings = SECURITY_RULES.flatMap((rule) =>
    rule.find(question).map((found) => {
      const breach = { ...found, path: ownPath(found.path, settings) };
      const reason = rule.glass === undefined ? undefined : reasons.get(rule.glass);
      if (rule.glass === undefined || reason === undefined) return refusal(rule, breach, settings);
      used.add(rule.glass);
      return broken(rule.glass, reason, breach, settings);
    }),
  );
  const unused = [...reasons.keys()].filter((key) => !used.has(key)).map((key) => needless(key, settings));
  return [...findings, ...unused];
}

function refusal({ code, hint, glass }: SecurityRule, breach: Breach, { backend }: Settings): Finding {
  const exception =
    glass === undefined ? "" : `; or say why it must be in sandbox.${backend}.break_glass.${glass}`;
  const other = breach.hint === undefined ? "" : `; or ${breach.hint}`;
  return { severity: "error", code, ...breach, hint: hint + exception + other };
}

function broken(glass: string, reason: string, breach: Breach, { backend }: Settings): Finding {
  return {
    severity: "warning",
    code: BROKEN,
    path: `${backend}.break_glass.${glass}`,
    message: `${glass} is broken on purpose: ${breach.message}; the reason given: ${reason}`,
    hint: "remove this key when the reason is gone",
  };
}

function needless(glass: string, { backend }: Settings): Finding {
  return {
    severity: "warning",
    code: UNUSED,
    path: `${backend}.break_glass.${glass}`,
    message: `nothing here needs the exception ${glass}`,
    hint: "remove this key: it would allow tomorrow what nobody looked at",
  };
}

function reasonsOf({ options }: Settings): readonly [string, string][] {
  const written = options["break_glass"];
  if (!isTable(written)) return [];
  return Object.entries(written).flatMap(([key, reason]) =>
    typeof reason === "string" ? [[key, reason]] : [],
  );
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

/** A workspace of the system's is no reason to let a sandbox have what lies in it, even where it is not given itself. */
function rootsOf(
  { workspace, options }: Settings,
  facts: SecurityFacts,
  guard: PathGuard,
): readonly string[] {
  const allowed = options["allowed_roots"];
  const written = isList(allowed) ? allowed.filter((each) => typeof each === "string") : [];
  const folders = written.map((each) => absolutePath(each, facts.root, facts.home));
  const own = guard(workspace.source).some(({ kind }) => kind === "system") ? [] : [workspace.source];
  return [...own, ...folders].map((folder) => facts.realPath(folder));
}
