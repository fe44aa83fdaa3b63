import { placeSession } from "../desire/sessions.ts";
import { SandkeepError } from "../errors.ts";
import { MAIN_SESSION, NAME_PATTERN, parseSessionKey } from "../model/names.ts";
import type { ResolvedAgent, ResolvedFleet } from "../model/settings.ts";
import { listWords, nearestWord } from "../util/suggestion.ts";

export interface Whom {
  readonly agent: ResolvedAgent;
  readonly session: string;
}

/** Who runs: an agent by name, by a session key, the only agent there is, or the one called main. */
export function chooseSession(
  fleet: ResolvedFleet,
  request: { readonly agent?: string; readonly session?: string },
): Whom {
  const key = request.session === undefined ? undefined : parseSessionKey(request.session);
  const named = request.agent ?? key?.agent;
  if (key !== undefined && request.agent !== undefined && key.agent !== request.agent) {
    throw usage(`session ${request.session ?? ""} is not of agent ${request.agent}`, "leave out --agent");
  }
  const session = key?.session ?? request.session ?? MAIN_SESSION;
  if (!NAME_PATTERN.test(session)) {
    throw usage(
      `"${session}" is no session name`,
      "use letters, digits, dots, dashes and underscores, at most 64",
    );
  }
  return { agent: chooseAgent(fleet, named, key === undefined ? request.session : undefined), session };
}

/** The runtime that a session's commands run in; undefined where they run on the host. */
export function runtimeOf(
  fleet: ResolvedFleet,
  request: { readonly agent?: string; readonly session?: string },
): string | undefined {
  const { agent, session } = chooseSession(fleet, request);
  const placement = placeSession(agent.settings, agent.name, session);
  return placement.sandboxed ? placement.address : undefined;
}

function chooseAgent(
  fleet: ResolvedFleet,
  named: string | undefined,
  bare: string | undefined,
): ResolvedAgent {
  const { agents } = fleet;
  const names = agents.map((each) => each.name);
  if (named !== undefined) {
    const found = agents.find((each) => each.name === named);
    if (found !== undefined) return found;
    const near = nearestWord(named, names);
    throw usage(
      `there is no agent "${named}"`,
      near === undefined ? declares(names) : `did you mean ${near}?`,
    );
  }
  const declaring = agents.filter((each) => bare === undefined || each.sessions.includes(bare));
  // A session that nobody declares may be made for any agent.
  const holders = declaring.length === 0 ? agents : declaring;
  const [only, ...others] = holders;
  if (only !== undefined && others.length === 0) return only;
  const main = agents.find((each) => each.name === MAIN_SESSION);
  if (main !== undefined && bare === undefined) return main;
  const candidates = listWords(holders.map((each) => each.name));
  throw usage(
    "which agent runs it is not clear",
    only === undefined ? declares(names) : `name one with --agent: ${candidates}`,
  );
}

function declares(names: readonly string[]): string {
  return names.length === 0 ? "the config declares no agents" : `the config declares ${listWords(names)}`;
}

function usage(message: string, hint: string): SandkeepError {
  return new SandkeepError(message, { code: "USAGE", hint, exitCode: 64 });
}
