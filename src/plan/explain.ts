/**
 * In: one survey and whom to explain. Out: for each agent who said what, where its sessions run, what exists, and what
 * the next apply would do about it and why, or why not. It words decisions and makes none. Reads only.
 */
import { busyWords } from "../diff/usage.ts";
import type { Decision } from "../diff/diff.ts";
import { placeSession } from "../desire/sessions.ts";
import { desireNetworks } from "../desire/networks.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { ExplainedAgent, Explanation, FixIt } from "../model/explain.ts";
import type { Probe, ProbeReason } from "../model/posture.ts";
import type { Provenance, ResolvedAgent } from "../model/settings.ts";
import { formatKeyPath } from "../model/source.ts";
import { rolloutWords } from "../model/rollout.ts";
import { agentOfAddress, parseSessionKey, sessionKey } from "../model/names.ts";
import { engineKey } from "../observe/engines.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { listWords } from "../util/suggestion.ts";
import { explainGates } from "./explain-policy.ts";
import { flattenSettings } from "./flatten.ts";
import { actionsOf } from "./change.ts";
import { enforcement } from "./networks.ts";
import { decideAll } from "./decide.ts";
import { statusOf } from "./listing.ts";
import { enginePostures } from "./posture.ts";
import { lackingProbe } from "./lacking.ts";
import { placeRollouts } from "./rollout.ts";
import { sessionAddress } from "./select.ts";
import type { Engine } from "./engine.ts";
import type { Survey } from "./survey.ts";
import { survey } from "./survey.ts";

export interface ExplainRequest {
  readonly file?: string;
  readonly agent?: string;
  /** A session key or a bare session name. */
  readonly session?: string;
  readonly tool?: string;
  readonly address?: string;
}

export async function explainFleet(
  engine: Engine,
  request: ExplainRequest,
): Promise<{ readonly status: "explained"; readonly explanation: Explanation } | Invalid> {
  const { file, address } = request;
  const key = request.session === undefined ? undefined : parseSessionKey(request.session);
  const asked = key === undefined ? [] : [`session/${sessionKey(key.agent, key.session)}`];
  const seen = await survey(engine, {
    file,
    wanted: [...asked, ...(address === undefined ? [] : [address])],
  });
  if (seen.status === "invalid") return seen;
  const { config } = seen;
  if (config === undefined) throw new SandkeepError("explain needs a config", { code: "NO_CONFIG" });
  const decisions = decideAll(seen, { intent: { mode: "apply" } });
  const agents: ExplainedAgent[] = [];
  for (const agent of selectAgents(seen, config, request)) {
    const explained = explainAgent(agent, { seen, config, decisions, request });
    const notes = [...explained.notes, ...(await stageNotes(engine, agent, explained, seen.fleet))];
    agents.push({ ...explained, notes });
  }
  const shown = new Set(agents.map((each) => each.agent));
  const posture = (await enginePostures(engine, config, false, lackingHosts(seen))).filter((each) =>
    each.agents.some(({ agent }) => shown.has(agent)),
  );
  const diagnostics = [...seen.diagnostics];
  return { status: "explained", explanation: { fleet: seen.fleet, posture, agents, diagnostics } };
}

/** What hosts said against what is desired there, by engine. */
function lackingHosts({ desired, lacking }: Survey): ReadonlyMap<string, Probe> {
  const reasons = new Map<string, (readonly ProbeReason[])[]>();
  for (const each of desired) {
    const key = engineKey(each);
    reasons.set(key, [...(reasons.get(key) ?? []), lacking.get(each.address) ?? []]);
  }
  return new Map(
    [...reasons].flatMap(([key, all]) => {
      const probe = lackingProbe(all);
      return probe === undefined ? [] : [[key, probe] as const];
    }),
  );
}

function selectAgents(seen: Survey, config: LoadedFleet, request: ExplainRequest): ResolvedAgent[] {
  const { agents } = config.fleet;
  const wanted = wantedAgent(seen, request);
  const found = wanted === undefined ? agents : agents.filter((each) => each.name === wanted);
  if (found.length > 0 || wanted === undefined) {
    return request.address === "shared"
      ? found.filter((each) => each.settings.scope === "shared")
      : [...found];
  }
  throw new SandkeepError(`there is no agent "${wanted}"`, {
    code: "NO_SUCH_AGENT",
    hint: `the config declares ${listWords(agents.map((each) => each.name))}`,
    exitCode: 64,
  });
}

function wantedAgent(seen: Survey, request: ExplainRequest): string | undefined {
  if (request.agent !== undefined) return request.agent;
  if (request.address !== undefined) return agentOfAddress(request.address);
  if (request.session === undefined) return undefined;
  const key = parseSessionKey(request.session);
  if (key !== undefined) return key.agent;
  const selection = sessionAddress(seen, request.session, undefined);
  if (selection.status === "selected") return undefined;
  throw new SandkeepError(`several agents have a session "${request.session}"`, {
    code: "AMBIGUOUS_SESSION",
    hint: `name one of ${listWords(selection.candidates)}`,
    exitCode: 64,
  });
}

interface ExplainContext {
  readonly seen: Survey;
  readonly config: LoadedFleet;
  readonly decisions: readonly Decision[];
  readonly request: ExplainRequest;
}

function explainAgent(agent: ResolvedAgent, context: ExplainContext): ExplainedAgent {
  const { seen, config, request } = context;
  const { settings, name } = agent;
  const sessions = sessionsOf(agent, context);
  const module = seen.modules[settings.backend];
  const host = settings.host === undefined ? undefined : config.fleet.hosts[settings.host];
  const sandboxed = sessions.some((each) => each.sandboxed);
  const gates = explainGates(config.loaded, name, request.tool, sandboxed);
  return {
    agent: name,
    mode: settings.mode,
    scope: settings.scope,
    backend: settings.backend,
    host: settings.host ?? THIS_HOST,
    sessions,
    settings: flattenSettings(agent),
    workspace_provider: module?.provider(settings, host) ?? "own",
    tools: gates.tools,
    elevated: gates.elevated,
    fix_it: [modeFix(agent), ...gates.fix_it],
    notes: sandboxed ? [...(module?.notes(settings) ?? []), ...networkNotes(agent, seen)] : [],
    runtimes: runtimesOf(agent, sessions, context),
  };
}

/** How the copy that an agent works on is kept. */
async function stageNotes(
  { stages }: Engine,
  { settings }: ResolvedAgent,
  { sessions }: ExplainedAgent,
  fleet: string,
): Promise<string[]> {
  const address = sessions.find((each) => each.address !== null)?.address;
  if (settings.writes !== "staged" || stages === undefined || address === undefined || address === null)
    return [];
  return [`staged writes: ${await stages.foresee({ fleet, address, source: settings.workspace.source })}`];
}

/** What can leave the agent's sandboxes, where the fleet itself sees to that. */
function networkNotes(agent: ResolvedAgent, seen: Survey): string[] {
  const mine = seen.desired.filter((each) => each.settings === agent.settings);
  const networks = desireNetworks(seen.config?.fleet, mine);
  return [...new Set(networks.map(({ network, spec }) => noteOf(network, enforcement(spec))))];
}

function noteOf(network: string, text: string): string {
  return network.startsWith("egress/") ? `egress: ${text}` : `${network}: ${text}`;
}

function sessionsOf(agent: ResolvedAgent, { seen, request }: ExplainContext): ExplainedAgent["sessions"] {
  const key = request.session === undefined ? undefined : parseSessionKey(request.session);
  const asked = key?.session ?? request.session;
  const live = seen.observations
    .flatMap((each) => (each.status === "complete" ? each.runtimes : []))
    .flatMap(({ labels }) =>
      labels.agent === agent.name && labels.session !== undefined ? [labels.session] : [],
    );
  const all = asked === undefined ? [...new Set([...agent.sessions, ...live])] : [asked];
  return all.map((session) => {
    const placement = placeSession(agent.settings, agent.name, session);
    return {
      session_key: sessionKey(agent.name, session),
      sandboxed: placement.sandboxed,
      address: placement.sandboxed ? placement.address : null,
      why: placement.why,
    };
  });
}

function modeFix(agent: ResolvedAgent): FixIt {
  const { key, source } = agent.provenance("mode");
  const why =
    agent.settings.mode === "off" ? '"all" sandboxes every session' : '"off" runs every session on the host';
  return { ...placeOf({ key, source }), why };
}

function placeOf(provenance: Pick<Provenance, "key"> & { source?: Provenance["source"] | undefined }): {
  key: string;
  file: string | null;
  line: number | null;
} {
  const { key, source } = provenance;
  return { key: formatKeyPath(key), file: source?.file ?? null, line: source?.line ?? null };
}

function runtimesOf(
  agent: ResolvedAgent,
  sessions: ExplainedAgent["sessions"],
  { seen, config, decisions }: ExplainContext,
): ExplainedAgent["runtimes"] {
  const addresses = new Set(sessions.map((each) => each.address));
  const mine = decisions.filter(({ situation }) => {
    const label = situation.current?.labels.agent;
    const orphan = situation.desired === undefined && label === agent.name;
    return addresses.has(situation.address) || orphan;
  });
  const placed = placeRollouts(decisions, config.fleet.rollout, seen.modules);
  const rows = mine.map((decision) => {
    const { situation, verdict } = decision;
    const place = placed.get(decision)?.place;
    const turn = place === undefined ? undefined : rolloutWords(place);
    const reason = verdict.action === "blocked" ? `${verdict.rule}: ${verdict.why}` : verdict.why;
    const why = turn === undefined ? reason : `${reason} (${turn})`;
    const actions = actionsOf(decision);
    return {
      address: situation.address,
      name: situation.name,
      status: statusOf(situation),
      object_id: situation.current?.object_id ?? null,
      would: actions.map((action) => ({ action, why: action === "repair" ? repairsOf(decision) : why })),
      busy: (situation.usage?.busy ?? 0) === 0 ? null : busyWords(situation.usage ?? { busy: 0 }, seen.now),
      watch: leftAlone(situation.address, seen),
    };
  });
  return [...rows, ...unseen(addresses, seen)];
}

function leftAlone(address: string, { facts }: Survey): ExplainedAgent["runtimes"][number]["watch"] {
  const found = facts.left_alone.find((each) => each.address === address);
  if (found === undefined) return null;
  const { state, why, until } = found;
  return { state, why, until: until === null ? null : new Date(until).toISOString() };
}

function repairsOf({ situation }: Decision): string {
  return situation.repairs.map((each) => each.why).join("; ");
}

function unseen(addresses: ReadonlySet<string | null>, seen: Survey): ExplainedAgent["runtimes"] {
  const away = new Map(
    seen.observations.flatMap((each) =>
      each.status === "complete" ? [] : [[engineKey(each), each.message]],
    ),
  );
  return seen.desired
    .filter((each) => addresses.has(each.address) && away.has(engineKey(each)))
    .map(({ address, name, ...engine }) => ({
      address,
      name,
      status: "unreachable",
      object_id: null,
      would: [
        { action: "no-op", why: `its engine cannot be observed: ${away.get(engineKey(engine)) ?? ""}` },
      ],
      busy: null,
      watch: leftAlone(address, seen),
    }));
}
