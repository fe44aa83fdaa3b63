/**
 * In: a file's agents. Out: the hosts that its `ssh` tables come to, and who uses which. An agent's table adds to the
 * defaults' key by key, so a host's keys may come from two tables, and one key may count for several hosts.
 */
import { THIS_HOST } from "../../model/names.ts";
import { entriesAt, valueAt } from "../table.ts";
import type { Draft, Setting } from "./draft.ts";
import { keepDefault } from "./draft.ts";
import { type Agent, DEFAULTS, scopeOf } from "./fluffbuzz-agents.ts";
import { guardValue } from "./fluffbuzz-guard.ts";
import { hostNameOf, readTarget } from "./ssh-target.ts";

/** Who says a key: an agent, or undefined for the defaults. */
export type Owner = string | undefined;

/** Keys that say how a host is reached. */
const ACCESS: readonly string[] = [
  "target",
  "command",
  "strictHostKeyChecking",
  ...["identity", "certificate", "knownHosts"].flatMap((name) => [`${name}File`, `${name}Data`]),
];

/** Backends of that tool that go to a host of their own. */
const REMOTE: ReadonlySet<unknown> = new Set(["ssh"]);

interface Said {
  readonly owner: Owner;
  readonly value: unknown;
}

interface User {
  readonly owner: Owner;
  /** What holds for it, whoever says it. */
  readonly keys: ReadonlyMap<string, Said>;
  readonly host: string | undefined;
  /** Whether its sandboxes are on that host. */
  readonly remote: boolean;
  /** The key of its own table that its choice of a host is told at; none where nothing of its own says it. */
  readonly carrier: "target" | "backend" | undefined;
}

export interface HostPlan {
  /** By owner; the defaults come first. */
  readonly users: ReadonlyMap<Owner, User>;
  /** Which hosts have a key of a table, by whose table it is and the key's name. */
  readonly takers: ReadonlyMap<Owner, ReadonlyMap<string, ReadonlySet<string>>>;
  /** By host: who uses it first, which is whom its secrets are named after. */
  readonly first: ReadonlyMap<string, User>;
  /** The file's `secrets` table. */
  readonly secrets: unknown;
}

export function planHosts(value: unknown, agents: readonly Agent[]): HostPlan {
  const name = hostNames();
  const defaults = valueAt(value, [...DEFAULTS, "sandbox"]);
  const said = ownKeys(defaults, undefined);
  const fleet: User = {
    owner: undefined,
    ...name(inForce(said)),
    remote: REMOTE.has(valueAt(defaults, ["backend"])),
    carrier: "target",
  };
  const users = agents.map(({ name: owner, at }): User => {
    const sandbox = valueAt(value, [...at, "sandbox"]);
    const own = valueAt(sandbox, ["backend"]);
    const shared = (scopeOf(sandbox) ?? scopeOf(defaults)) === "shared";
    const keys = shared ? new Map<string, Said>() : ownKeys(sandbox, owner);
    const remote = own === undefined ? fleet.remote : REMOTE.has(own);
    const says = own === undefined ? undefined : "backend";
    return {
      owner,
      ...name(inForce(new Map([...said, ...keys]))),
      remote,
      carrier: remote && keys.has("target") ? "target" : says,
    };
  });
  return { ...index([fleet, ...users]), secrets: valueAt(value, ["secrets"]) };
}

/** Two tables that say the same are one host. */
function hostNames() {
  const hosts = new Map<string, string>();
  const taken = new Set<string>();
  return (keys: User["keys"]): Pick<User, "keys" | "host"> => {
    const target = usableTarget(keys.get("target")?.value);
    if (target === undefined) return { keys, host: undefined };
    const id = JSON.stringify(ACCESS.map((key) => keys.get(key)?.value ?? null));
    const host = hosts.get(id) ?? hostNameOf(target, taken);
    hosts.set(id, host);
    return { keys, host };
  };
}

function index(users: readonly User[]): Omit<HostPlan, "secrets"> {
  const takers = new Map<Owner, Map<string, Set<string>>>();
  const first = new Map<string, User>();
  for (const user of users) {
    const { host, keys } = user;
    if (host === undefined) continue;
    if (!first.has(host)) first.set(host, user);
    for (const [key, { owner }] of keys) {
      const byKey = takers.get(owner) ?? new Map<string, Set<string>>();
      takers.set(owner, byKey.set(key, (byKey.get(key) ?? new Set<string>()).add(host)));
    }
  }
  return { users: new Map(users.map((user) => [user.owner, user])), takers, first };
}

function ownKeys(sandbox: unknown, owner: Owner): ReadonlyMap<string, Said> {
  const keys = entriesAt(sandbox, ["ssh"]).filter(([key]) => ACCESS.includes(key));
  return new Map(keys.map(([key, value]) => [key, { owner, value }]));
}

/** What is given itself wins over a file that holds it. */
function inForce(said: ReadonlyMap<string, Said>): ReadonlyMap<string, Said> {
  return new Map(
    [...said].filter(([key]) => !said.has(key.replace(/File$/, "Data")) || !key.endsWith("File")),
  );
}

function usableTarget(value: unknown): string | undefined {
  return guardValue(value) === undefined ? readTarget(value) : undefined;
}

/** The host that a table's backend is to connect to, where this key of it is what says so. */
export function hostSettings(plan: HostPlan, owner: Owner, key: User["carrier"]): readonly Setting[] {
  const user = plan.users.get(owner);
  const host = user === undefined || user.carrier !== key ? undefined : chosenHost(plan, user);
  return host === undefined ? [] : [hostSetting(owner, host)];
}

function hostSetting(owner: Owner, value: string): Setting {
  return { path: [...(owner === undefined ? [] : ["agents", owner]), "sandbox", "host"], value, vital: true };
}

/** Whether any sandbox is a container. The defaults are nobody's where there are agents. */
export function hasContainers({ users }: HostPlan): boolean {
  return [...users.values()].slice(users.size > 1 ? 1 : 0).some(({ remote }) => !remote);
}

/** Undefined where nothing need be said: the defaults' host is meant, or there is none. */
function chosenHost({ users }: HostPlan, { owner, remote, host }: User): string | undefined {
  const fleet = users.get(undefined);
  if (owner === undefined) return remote ? host : undefined;
  const inherited = fleet?.remote === true ? fleet.host : undefined;
  if (remote) return host === inherited ? undefined : host;
  return inherited === undefined ? undefined : THIS_HOST;
}

/** Writes what follows from the `ssh` tables and stands at none of their keys. */
export function keepHosts(draft: Draft, plan: HostPlan, root: string): void {
  const users = [...plan.users.values()];
  if (users.some(({ remote, host }) => remote && host !== undefined))
    keepDefault(
      draft,
      { path: ["sandbox", "ssh", "workspace_root"], value: root },
      "where sandboxes are kept on a host; a folder that outlives a restart is safer",
    );
  const fleetHost = plan.users.get(undefined)?.host;
  for (const user of users) {
    const { owner, carrier, host, remote } = user;
    if (owner === undefined) continue;
    const chosen = chosenHost(plan, user);
    if (chosen !== undefined && carrier === undefined)
      keepDefault(draft, hostSetting(owner, chosen), "its ssh keys are those of this host");
    if (remote && host === undefined && fleetHost !== undefined)
      draft.shelved.set(owner, "its ssh target is none that sandkeep takes");
  }
}
