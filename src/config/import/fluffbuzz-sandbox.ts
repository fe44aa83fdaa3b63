import type { KeyPath } from "../../model/source.ts";
import { isSecretVariable } from "./credentials.ts";
import {
  binds,
  capabilities,
  cpus,
  gpus,
  memory,
  memorySwap,
  namePrefix,
  pids,
  ulimit,
} from "./docker-values.ts";
import type { Scalar, Setting } from "./draft.ts";
import type { Engine } from "./engines.ts";
import { VARIABLE } from "./fluffbuzz-guard.ts";
import { type HostPlan, hostSettings } from "./fluffbuzz-hosts.ts";
import { secretVariable, sshRows } from "./fluffbuzz-ssh.ts";
import { type Outcome, type Row, eachRow, row, trusted } from "./rows.ts";
import { aside } from "./aside.ts";
import {
  ANYTHING,
  COUNT,
  FLAG,
  LIMIT,
  NUMBER,
  TEXT,
  TEXTS,
  TEXT_OR_NUMBER,
  TEXT_OR_TEXTS,
  WHOLE,
  oneOf,
} from "./shape.ts";

/** What the rows of one `sandbox` table must know beside the table. */
export interface SandboxTarget {
  /** Where its settings are written. */
  readonly prefix: KeyPath;
  readonly agent: string | undefined;
  /** Whose sections its `docker` keys are written to. */
  readonly engines: readonly Engine[];
  readonly hosts: HostPlan;
  readonly hasScope: boolean;
  /** Every bind source that this table's binds may come from, when the source lifts its own limit. */
  readonly bindSources: readonly string[];
  /** Variables that are secret in any table of the file, so that no name is both. */
  readonly secrets: ReadonlySet<string>;
}

const HOURS_IN_100_YEARS = 876_000;

/** 0 switches a check off in both; what is longer than a duration can say comes to the same. */
function age(path: KeyPath, count: number, unit: "h" | "d", hours: number): Outcome {
  if (count === 0) return { sets: [{ path, value: "off" }], note: '0 is written "off"' };
  if (count * hours > HOURS_IN_100_YEARS)
    return { sets: [{ path, value: "off" }], note: "longer than 100 years is off" };
  return { sets: [{ path, value: `${String(count)}${unit}` }] };
}

export function sandboxRows(target: SandboxTarget): readonly Row[] {
  const key = (...path: readonly string[]): KeyPath => [...target.prefix, ...path];
  const same =
    (...path: readonly string[]) =>
    (value: Scalar | readonly string[]): Outcome => ({ sets: [{ path: key(...path), value }] });
  return [
    row(["mode"], oneOf("off", "non-main", "all"), (value) => ({
      sets: [{ path: key("mode"), value, vital: true }],
    })),
    row(["backend"], TEXT, (value) => ({
      sets: [
        { path: key("backend"), value, vital: true },
        ...hostSettings(target.hosts, target.agent, "backend"),
      ],
    })),
    row(["scope"], oneOf("session", "agent", "shared"), same("scope")),
    row(["perSession"], FLAG, (value) => perSession(key("scope"), value, target.hasScope)),
    row(["workspaceAccess"], oneOf("none", "ro", "rw"), (value) => ({
      sets: [{ path: key("workspace", "access"), value }],
      ...ACCESS_NOTES[value],
    })),
    row(["workspaceRoot"], TEXT, () => ({
      why: "a sandbox without the workspace keeps its files inside itself, so no such folder is needed",
    })),
    row(["sessionToolsVisibility"], TEXT, () => ({
      why: "which sessions an agent may see is the agent's business, not the sandbox's",
    })),
    row(["prune", "idleHours"], COUNT, (value) => age(key("prune", "idle"), value, "h", 1)),
    row(["prune", "maxAgeDays"], COUNT, (value) => age(key("prune", "max_age"), value, "d", 24)),
    ...dockerRows(target),
    ...sshRows(target),
    trusted(
      eachRow(["browser"], ANYTHING, ({ given }, name) =>
        aside([...target.prefix, "browser"], name, given, "browser sandboxes are not available yet"),
      ),
    ),
  ];
}

const ACCESS_NOTES = {
  none: {
    note: "that tool gives such a sandbox a folder on this machine; here its files live inside it and go with it",
  },
  ro: { note: "the workspace appears read-only at workspace.target; there is no second folder /agent" },
  rw: {},
} as const satisfies Record<string, { readonly note?: string }>;

function perSession(path: KeyPath, value: boolean, hasScope: boolean): Outcome {
  if (hasScope) return { why: "scope is set beside it, and wins there as well" };
  const scope = value ? "session" : "shared";
  return { sets: [{ path, value: scope }], note: `the old ${String(value)} is scope "${scope}"` };
}

const docker = (name: string): readonly string[] => ["docker", name];

function dockerRows(target: SandboxTarget): readonly Row[] {
  const { prefix: at, engines } = target;
  const each = (path: KeyPath, become: (path: KeyPath) => Outcome): Outcome =>
    onEach(engines, (engine) => become([...at, engine, ...path]));
  const same =
    (name: string) =>
    (value: Scalar | readonly string[]): Outcome =>
      each([name], (path) => ({ sets: [{ path, value }] }));
  return [
    row(docker("image"), TEXT, same("image")),
    row(docker("containerPrefix"), TEXT, (value) => prefix(value, target.agent)),
    row(docker("workdir"), TEXT, (value) => ({
      sets: [{ path: [...at, "workspace", "target"], value }],
    })),
    row(docker("readOnlyRoot"), FLAG, same("read_only_root")),
    row(docker("tmpfs"), TEXTS, same("tmpfs")),
    row(docker("network"), TEXT, same("network")),
    row(docker("user"), TEXT, same("user")),
    row(docker("capDrop"), TEXTS, (value) => same("cap_drop")(capabilities(value))),
    trusted(eachRow(docker("env"), TEXT, (value, name) => variable(target, name, value))),
    row(docker("setupCommand"), TEXT_OR_TEXTS, (value) => setup([...at, "setup"], value)),
    row(docker("pidsLimit"), WHOLE, (value) => each(["pids"], (path) => pids(path, value))),
    row(docker("memory"), TEXT_OR_NUMBER, (value) => each(["memory"], (path) => memory(path, value))),
    row(docker("memorySwap"), TEXT_OR_NUMBER, (value) =>
      each(["memory_swap"], (path) => memorySwap(path, value)),
    ),
    row(docker("cpus"), NUMBER, (value) => each(["cpus"], (path) => cpus(path, value))),
    row(docker("gpus"), TEXT, (value) => each(["gpus"], (path) => gpus(path, value))),
    eachRow(docker("ulimits"), LIMIT, (value, name) =>
      each(["ulimits", name], (path) => ulimit(path, value)),
    ),
    row(docker("seccompProfile"), TEXT, same("seccomp")),
    row(docker("apparmorProfile"), TEXT, same("apparmor")),
    row(docker("dns"), TEXTS, same("dns")),
    row(docker("extraHosts"), TEXTS, same("extra_hosts")),
    row(docker("binds"), TEXTS, (value) => each(["binds"], (path) => binds(path, value))),
    row(docker("dangerouslyAllowExternalBindSources"), FLAG, (value) =>
      each(["allowed_roots"], (path) => externalBinds(path, value, target)),
    ),
    row(
      docker("dangerouslyAllowReservedContainerTargets"),
      FLAG,
      breakGlass("the sandbox's own paths are never bind targets"),
    ),
    row(
      docker("dangerouslyAllowContainerNamespaceJoin"),
      FLAG,
      breakGlass("no sandbox joins another container's network", "break_glass.network_container"),
    ),
  ];
}

/** One key in the section of every engine: what it becomes differs in nothing but the section. */
function onEach(engines: readonly Engine[], become: (engine: Engine) => Outcome): Outcome {
  const outcomes = engines.map(become);
  const sets = outcomes.flatMap((outcome) => ("sets" in outcome ? outcome.sets : []));
  const [first = { sets }] = outcomes;
  return "why" in first ? first : { ...first, sets };
}

/** An exception here needs a reason, and the flag of another tool has none. */
function breakGlass(rule: string, exception?: string) {
  const without =
    exception === undefined ? "there is no such exception" : `say why it must be in ${exception}`;
  return (value: boolean): Outcome => ({
    why: value ? `${without}: ${rule}` : `false is what always holds: ${rule}`,
  });
}

function externalBinds(path: KeyPath, allowed: boolean, { bindSources }: SandboxTarget): Outcome {
  if (!allowed) return { why: "false is what holds here without any key: sources lie in the workspace" };
  if (bindSources.length === 0)
    return { why: "no bind needs it; name folders in allowed_roots when one does" };
  return {
    sets: [{ path, value: bindSources }],
    note: "not every folder is allowed, only the ones that are bound today",
  };
}

function prefix(value: string, agent: string | undefined): Outcome {
  if (agent === undefined) return namePrefix(value);
  return { why: "name_prefix holds for the whole fleet; an agent's name is in its sandbox's name anyway" };
}

/** That tool joins the lines and runs them as one script, where a `cd` holds for the next line. */
function setup(path: KeyPath, lines: readonly string[]): Outcome {
  const script = lines.join("\n");
  if (script.trim() === "") return { why: "there is nothing to run" };
  const sets: readonly Setting[] = [{ path, value: [script] }];
  return lines.length === 1
    ? { sets }
    : { sets, note: "its lines stay one script, because they may build on each other" };
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

function variable({ prefix: at, agent, secrets }: SandboxTarget, name: string, value: string): Outcome {
  if (!VARIABLE_NAME.test(name)) return { why: "its name is none that a shell could use" };
  const [whole, asked] = VARIABLE.exec(value) ?? [];
  if (asked !== undefined && whole === value)
    return {
      sets: [{ path: [...at, "secrets", name], value: { env: asked } }],
      note: "it is looked up when a command runs, not when the config is read",
    };
  if (asked !== undefined)
    return { why: "part of it comes from the environment, and sandkeep takes texts as they are" };
  if (!secrets.has(name))
    return { sets: [{ path: [...at, "env", name], value: value.replaceAll("$${", "${") }] };
  const from = secretVariable(agent, name);
  return {
    sets: [{ path: [...at, "secrets", name], value: { env: from } }],
    note: `its value looks like a credential, so it was not copied: export ${from} where sandkeep runs`,
  };
}

/** Whether a variable of one table makes its name secret in all of them. */
export function isSecret(name: string, value: unknown): boolean {
  return typeof value === "string" && (VARIABLE.test(value) || isSecretVariable(name, value));
}
