import { placeSession } from "../desire/sessions.ts";
import type { Listing } from "../model/listing.ts";
import { parseSessionKey } from "../model/names.ts";
import type { ResolvedAgent } from "../model/settings.ts";
import type { Invalid } from "../policy/fleet.ts";
import { listDecisions, listRow, unobservedEngines } from "./listing.ts";
import type { Engine } from "./engine.ts";
import type { Survey } from "./survey.ts";
import { survey } from "./survey.ts";

export interface SelectRequest {
  readonly file?: string;
  readonly fleet?: string;
  readonly agent?: string;
  /** A session key or a bare session name. */
  readonly session?: string;
  readonly kind?: "browser" | "sandbox";
  readonly all?: boolean;
  readonly drifted?: boolean;
}

export type Selection =
  | {
      readonly status: "selected";
      readonly addresses: readonly string[];
      /** Engines whose runtimes nobody could select from. */
      readonly unobserved: Listing["unobserved"];
    }
  | Ambiguous;

interface Ambiguous {
  readonly status: "ambiguous";
  readonly candidates: readonly string[];
}

/** Turns selectors into addresses of runtimes that exist. A bare session name that several agents have is ambiguous. */
export async function selectAddresses(engine: Engine, request: SelectRequest): Promise<Selection | Invalid> {
  const { file, fleet } = request;
  const seen = await survey(engine, { file, fleet, wanted: [] });
  if (seen.status === "invalid") return seen;
  const serving =
    request.session === undefined ? undefined : sessionAddress(seen, request.session, request.agent);
  if (serving?.status === "ambiguous") return serving;
  const addresses = listDecisions(seen)
    .filter((decision) => {
      const { current, address } = decision.situation;
      if (current === undefined) return false;
      if (request.kind !== undefined && current.labels.kind !== request.kind) return false;
      if (request.agent !== undefined && !serves(seen, request.agent, address, current.labels.agent))
        return false;
      if (serving !== undefined && !serving.addresses.includes(address)) return false;
      return request.drifted !== true || listRow(decision, seen.now, []).config === "drift";
    })
    .map(({ situation }) => situation.address);
  return {
    status: "selected",
    addresses: [...new Set(addresses)],
    unobserved: unobservedEngines(seen),
  };
}

/** A shared runtime serves every agent whose scope is shared, not only the one on its label. */
function serves(seen: Survey, agent: string, address: string, label: string | undefined): boolean {
  const declared = seen.config?.fleet.agents.find((each) => each.name === agent);
  return address === "shared" ? declared?.settings.scope === "shared" : label === agent;
}

/** The runtime that serves a session; with scope agent or shared it serves others too. */
export function sessionAddress(
  seen: Survey,
  session: string,
  agent: string | undefined,
): { readonly status: "selected"; readonly addresses: readonly string[] } | Ambiguous {
  const key = parseSessionKey(session);
  const agents = seen.config?.fleet.agents ?? [];
  if (key !== undefined) return { status: "selected", addresses: placed(agents, key.agent, key.session) };
  const holders = agents.filter((each) => agent === undefined || each.name === agent);
  const declared = holders.filter((each) => each.sessions.includes(session));
  const live = seen.observations
    .flatMap((each) => (each.status === "complete" ? each.runtimes : []))
    .filter((each) => each.labels.session === session && (agent === undefined || each.labels.agent === agent))
    .map((each) => each.labels.agent ?? "");
  const names = [...new Set([...declared.map((each) => each.name), ...live])].toSorted();
  if (names.length > 1) {
    return { status: "ambiguous", candidates: names.map((name) => `agent:${name}:${session}`) };
  }
  const [only = agent] = names;
  return { status: "selected", addresses: only === undefined ? [] : placed(agents, only, session) };
}

function placed(agents: readonly ResolvedAgent[], agent: string, session: string): string[] {
  const found = agents.find((each) => each.name === agent);
  if (found === undefined) return [`session/agent:${agent}:${session}`];
  const placement = placeSession(found.settings, agent, session);
  return placement.sandboxed ? [placement.address] : [];
}
