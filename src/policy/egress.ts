/**
 * What a config may not say about networks and egress: in come resolved settings and what backends can do, out come
 * errors at the key that says so. What could not be enforced is refused, never quietly left open. Pure.
 */
import type { DriverModule } from "../drivers/driver.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { OWN_NETWORK } from "../model/network.ts";
import type { ResolvedAgent, ResolvedFleet, Settings } from "../model/settings.ts";
import type { KeyPath, Source } from "../model/source.ts";
import { errorAt } from "../resolve/diagnose.ts";
import { isList } from "../model/json.ts";
import { isNeverReached } from "../util/never-reached.ts";

interface Question {
  readonly agent: ResolvedAgent;
  readonly fleet: ResolvedFleet;
  readonly module: DriverModule | undefined;
}

interface Rule {
  readonly code: string;
  /** Settings path at which it is told. */
  readonly path: (question: Question) => string;
  /** What is wrong, or undefined. */
  readonly find: (question: Question) => string | undefined;
  readonly hint: string;
}

const inSection =
  (key: string) =>
  ({ agent }: Question): string =>
    `${agent.settings.backend}.${key}`;
const at = (path: string) => (): string => path;

const RULES: readonly Rule[] = [
  {
    code: "egress-not-enforced",
    path: at("egress"),
    find: ({ agent: { settings }, module }) =>
      settings.egress !== undefined && module !== undefined && module.capabilities.networks !== true
        ? `the ${settings.backend} backend cannot hold what leaves a sandbox to a list`
        : undefined,
    hint: 'use backend = "docker", or remove egress and close the network altogether (network = "none")',
  },
  {
    code: "egress-with-network",
    path: inSection("network"),
    find: ({ agent: { settings }, module }) => {
      const { network } = settings.options;
      const joins = module?.capabilities.networks === true && typeof network === "string";
      return settings.egress !== undefined && joins && network !== OWN_NETWORK
        ? `network = ${JSON.stringify(network)} and egress contradict each other: egress gives the sandbox a network of its own`
        : undefined;
    },
    hint: "remove network, or put egress into a table of [networks] and name that here",
  },
  {
    code: "network-not-made",
    path: inSection("network"),
    find: ({ agent: { settings }, fleet, module }) => {
      const { network } = settings.options;
      const declared = typeof network === "string" && Object.hasOwn(fleet.networks ?? {}, network);
      return declared && module !== undefined && module.capabilities.networks !== true
        ? `the ${settings.backend} backend makes no networks, and network.${network} is one of [networks]`
        : undefined;
    },
    hint: 'use backend = "docker", or join a network that exists under another name',
  },
  {
    code: "network-reserved",
    path: inSection("network"),
    find: ({ agent: { settings }, module }) =>
      settings.egress === undefined &&
      module?.capabilities.networks === true &&
      settings.options["network"] === OWN_NETWORK
        ? `network = "${OWN_NETWORK}" means the network that comes with egress, which is not set`
        : undefined,
    hint: "set egress.allow, or use another network",
  },
  {
    code: "egress-with-dns",
    path: inSection("dns"),
    find: (question) => {
      const { dns } = question.agent.settings.options;
      return isGated(question) && isList(dns) && dns.length > 0
        ? "name servers would let data out in names: behind a gate, only the gate looks names up"
        : undefined;
    },
    hint: "remove dns",
  },
  {
    code: "egress-forbidden-address",
    path: at("egress.allow"),
    find: ({ agent: { settings } }) => forbidden(settings.egress?.allow ?? []),
    hint: "remove it: these addresses are the machine's own, or hold its credentials",
  },
];

function isGated({ agent: { settings }, fleet }: Question): boolean {
  const { network } = settings.options;
  const networks = fleet.networks ?? {};
  const declared =
    typeof network === "string" && Object.hasOwn(networks, network) ? networks[network] : undefined;
  return settings.egress !== undefined || declared?.egress !== undefined;
}

/** The gate refuses these in any case; here it is told before anybody relies on them. */
function forbidden(allow: readonly string[]): string | undefined {
  const found = allow.find((rule) => isNeverReached(rule));
  return found === undefined ? undefined : `${found} may never be reached from a sandbox`;
}

export function checkEgress(
  fleet: ResolvedFleet,
  modules: Readonly<Record<string, DriverModule>>,
  locate: (key: KeyPath) => Source | undefined,
): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  /** Shared by agents that say the same, so that one of them answers for all. */
  const sound = new Set<Settings>();
  for (const agent of fleet.agents) {
    const { settings } = agent;
    if (settings.mode === "off" || sound.has(settings)) continue;
    sound.add(settings);
    const question = { agent, fleet, module: modules[settings.backend] };
    for (const { code, path, find, hint } of RULES) {
      const message = find(question);
      if (message === undefined) continue;
      sound.delete(settings);
      const told = errorAt(agent.provenance(path(question)), { code, message, hint });
      found.set(`${told.code} ${told.path}`, told);
    }
  }
  for (const { name, egress } of Object.values(fleet.networks ?? {})) {
    const message = forbidden(egress?.allow ?? []);
    if (message === undefined) continue;
    const key = ["networks", name, "egress", "allow"];
    const source = locate(key);
    const fault = {
      code: "egress-forbidden-address",
      message,
      hint: "remove it: these addresses are the machine's own, or hold its credentials",
    };
    found.set(`network ${name}`, errorAt(source === undefined ? { key } : { key, source }, fault));
  }
  return [...found.values()];
}
