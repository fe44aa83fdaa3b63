import type { HealthReport } from "../driver.ts";
import type { Engine } from "./client.ts";
import { Demux } from "./demux.ts";
import { toError } from "../../errors.ts";
import type { EngineFacts } from "./facts.ts";
import { findContainer, healthOf, stateOf } from "./find-container.ts";
import { isAsleep } from "./processes.ts";
import { KEEP_ALIVE_ARGV, mainOf } from "./values.ts";
import type { Container } from "./wire-container.ts";
import { time } from "./wire.ts";

const LAST_LINES = 20;
const MOST_DETAIL = 2000;

/** One inspect; the last output is asked for only when the container has ended. */
export async function health(engine: Engine, facts: EngineFacts, objectId: string): Promise<HealthReport> {
  const container = await findContainer(engine, objectId);
  if (container === undefined) return { state: "missing", health: "none", running_ms: 0, main: "program" };
  const main = mainOf(container);
  const common = { health: healthOf(container), running_ms: 0, main } as const;
  // To one that must prove itself no end is forgiven.
  const state = container.State.Status === "restarting" ? "restarting" : stateOf(container);
  if (state === "running") {
    const started = time(container.State.StartedAt);
    const running = started === undefined ? 0 : Math.max(0, (await facts.engineNow()) - started);
    const settled = main === "keeper" ? isAsleep(container, KEEP_ALIVE_ARGV) : undefined;
    return { ...common, state, running_ms: running, ...(settled === undefined ? {} : { settled }) };
  }
  // Neither ready nor ended: someone paused it and may let it go on.
  if (state === "paused") return { ...common, state: "restarting", detail: "the container is paused" };
  const last = await ending(engine, container);
  return { ...common, ...last, state: state === "restarting" ? "restarting" : "exited" };
}

async function ending(
  engine: Engine,
  container: Container,
): Promise<Pick<HealthReport, "exit_code" | "detail">> {
  const lines = [container.State.Error, await lastOutput(engine, container.Id)].filter((text) => text !== "");
  const ran = container.State.Status !== "created" || container.State.ExitCode !== 0;
  return {
    ...(ran ? { exit_code: container.State.ExitCode } : {}),
    ...(lines.length === 0 ? {} : { detail: lines.join("\n") }),
  };
}

async function lastOutput(engine: Engine, objectId: string): Promise<string> {
  try {
    const raw = await engine.bytes({
      what: "read the container's output",
      method: "GET",
      path: `/containers/${encodeURIComponent(objectId)}/logs`,
      query: { stdout: true, stderr: true, tail: LAST_LINES },
    });
    const frames = [...new Demux().push(raw)].map(({ data }) => data);
    return Buffer.concat(frames).toString().trim().slice(-MOST_DETAIL);
  } catch (thrown) {
    // Some log drivers cannot be read back; that must not hide the exit code.
    return `(no output: ${toError(thrown).message})`;
  }
}
