/**
 * In: a file's agents. Out: which sections the keys of a `docker` table are written to. In that tool Podman takes the
 * same table as Docker, and an agent on the one inherits the defaults that were written for the other.
 */
import { valueAt } from "../table.ts";
import { ENGINES, type Engine, USUAL_ENGINE, engineNamed } from "./engines.ts";
import { type Agent, DEFAULTS } from "./fluffbuzz-agents.ts";
import { guardValue } from "./fluffbuzz-guard.ts";

/** A backend that a table asks for; one that is not written here is not asked for. */
function backendOf(owner: unknown): unknown {
  const backend = valueAt(owner, ["sandbox", "backend"]);
  return guardValue(backend) === undefined ? backend : undefined;
}

const fleetBackend = (value: unknown): unknown => backendOf(valueAt(value, DEFAULTS)) ?? USUAL_ENGINE;

const agentBackend = (value: unknown, { at }: Agent): unknown =>
  backendOf(valueAt(value, at)) ?? fleetBackend(value);

/** Where the keys of the defaults hold. Those are nobody's own where there are agents, so it is for the agents to say. */
export function fleetEngines(value: unknown, agents: readonly Agent[]): readonly Engine[] {
  const backends = new Set(agents.map((agent) => agentBackend(value, agent)));
  const used = ENGINES.filter((engine) => backends.has(engine));
  return used.length > 0 ? used : [engineNamed(fleetBackend(value)) ?? USUAL_ENGINE];
}

/** An agent without containers has the keys where it would run without a choice of its own. */
export function agentEngine(value: unknown, agent: Agent): Engine {
  return engineNamed(agentBackend(value, agent)) ?? engineNamed(fleetBackend(value)) ?? USUAL_ENGINE;
}
