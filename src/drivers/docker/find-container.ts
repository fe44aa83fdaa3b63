import { SandkeepError } from "../../errors.ts";
import type { ObservedRuntime, RuntimeState } from "../../model/observed.ts";
import type { Engine } from "./client.ts";
import { isGone } from "./errors.ts";
import type { Container } from "./wire-container.ts";
import { readContainer } from "./wire-container.ts";
import { time } from "./wire.ts";

/** The engine's answer for one container, or undefined when there is none. */
export async function findContainer(engine: Engine, objectId: string): Promise<Container | undefined> {
  try {
    return await engine.reads.add(() =>
      engine.json(
        {
          what: `inspect container ${objectId.slice(0, 12)}`,
          method: "GET",
          path: `/containers/${encodeURIComponent(objectId)}/json`,
        },
        readContainer,
      ),
    );
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    throw thrown;
  }
}

/** As `findContainer`, for those who cannot go on without it. */
export async function getContainer(engine: Engine, objectId: string): Promise<Container> {
  const container = await findContainer(engine, objectId);
  if (container !== undefined) return container;
  throw new SandkeepError(`container ${objectId.slice(0, 12)} is gone`, {
    code: "DOCKER_NOT_FOUND",
    kind: "not-found",
    blame: "backend",
    hint: "plan again",
  });
}

const STATES: Readonly<Record<string, RuntimeState>> = {
  created: "created",
  running: "running",
  paused: "paused",
  restarting: "restarting",
  exited: "stopped",
};

/**
 * Dead and half-removed containers are broken: nothing but a removal helps them. One that its engine is just starting
 * again is looked after, as it was asked to be, and counts as running until it does nothing but end.
 */
export function stateOf(container: Container): RuntimeState {
  const state = STATES[container.State.Status] ?? "broken";
  return state === "restarting" && !keepsEnding(container) ? "running" : state;
}

/** Engines take a run of ten seconds for a good one, too: after it the next begins without a longer wait. */
const GOOD_RUN_MS = 10_000;
const FEW_RESTARTS = 3;

function keepsEnding({ RestartCount, State: { StartedAt, FinishedAt } }: Container): boolean {
  const lasted = (time(FinishedAt) ?? 0) - (time(StartedAt) ?? 0);
  return RestartCount >= FEW_RESTARTS && lasted < GOOD_RUN_MS;
}

/** Of what does not run nothing is known: engines leave a failed check on whatever ends, also when they start it again. */
export function healthOf({ State: { Status, Health } }: Container): ObservedRuntime["health"] {
  if (Status !== "running" && Status !== "paused") return "none";
  const status = Health?.Status;
  return status === "healthy" || status === "unhealthy" || status === "starting" ? status : "none";
}
