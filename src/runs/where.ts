/** In: who asks for what. Out: the fleet, the agent whose settings hold, and where the command runs. It makes nothing. */
import { placeSession } from "../desire/sessions.ts";
import type { EphemeralWish } from "../model/ephemeral.ts";
import type { Address } from "../model/names.ts";
import { ephemeralAddress, MAIN_SESSION } from "../model/names.ts";
import { loadEphemeral } from "../policy/ephemeral.ts";
import type { EphemeralFleet } from "../policy/ephemeral.ts";
import type { FleetRequest, Invalid, LoadedFleet } from "../policy/fleet.ts";
import { loadFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import type { EphemeralRequest, RunRequest } from "./command.ts";
import { findKept } from "./ephemeral.ts";
import type { Target } from "./ready.ts";
import type { Whom } from "./whom.ts";
import { chooseSession } from "./whom.ts";

export type Where =
  | { readonly at: "host"; readonly why: string }
  /** Made ready when it is not. */
  | { readonly at: "declared"; readonly address: Address }
  /** Made for this run. */
  | { readonly at: "ephemeral"; readonly address: Address; readonly wish: EphemeralWish }
  /** Made for an earlier run, and there or gone. */
  | { readonly at: "kept"; readonly address: string; readonly target: Target };

export interface Chosen {
  readonly status: "chosen";
  readonly config: LoadedFleet;
  readonly whom: Whom;
  readonly where: Where;
}

export async function chooseWhere(
  engine: Engine,
  request: RunRequest,
  runId: string,
): Promise<Chosen | Invalid> {
  const { cwd, env, drivers, stateDir } = engine;
  const place: FleetRequest = { file: request.file, cwd, env, drivers, stateDir };
  if (request.inside !== undefined) return await keptOne(engine, place, request.inside);
  if (request.ephemeral !== undefined) return await oneOff(engine, place, request, request.ephemeral, runId);
  const config = await loadFleet(place);
  if (config.status === "invalid") return config;
  const whom = chooseSession(config.fleet, request);
  const placement = placeSession(whom.agent.settings, whom.agent.name, whom.session);
  const where: Where = placement.sandboxed
    ? { at: "declared", address: placement.address }
    : { at: "host", why: placement.why };
  return { status: "chosen", config, whom, where };
}

async function oneOff(
  engine: Engine,
  place: FleetRequest,
  { agent, timeoutMs = 0, bin }: RunRequest,
  { image, backend, keep, ttlMs }: EphemeralRequest,
  runId: string,
): Promise<Chosen | Invalid> {
  const config = await loadEphemeral(place, { agent, image, backend, program: bin !== undefined });
  if (config.status === "invalid") return config;
  if (!config.configured) {
    const message = `there is no config: the built-in defaults hold, and the fleet is called ${config.fleet.fleet} (--fleet ${config.fleet.fleet})`;
    engine.sink.notify({ type: "note", level: "info", code: "NO_CONFIG", message });
  }
  const address = ephemeralAddress(runId);
  const life = ttlMs ?? config.fleet.runs.ephemeral_ttl;
  const wish = { address, agent: config.agent, expires_at: engine.now() + life + timeoutMs, keep };
  const whom = { agent: agentOf(config), session: MAIN_SESSION };
  return { status: "chosen", config, whom, where: { at: "ephemeral", address, wish } };
}

async function keptOne(engine: Engine, place: FleetRequest, inside: string): Promise<Chosen | Invalid> {
  const found = await findKept(engine, place, inside);
  if ("status" in found) return found;
  const { config, target, session } = found;
  const whom = { agent: agentOf(config), session };
  return { status: "chosen", config, whom, where: { at: "kept", address: target.address, target } };
}

function agentOf({ fleet, agent }: EphemeralFleet): Whom["agent"] {
  return chooseSession(fleet, { agent }).agent;
}
