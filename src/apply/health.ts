import type { Driver, HealthReport } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { Spec } from "../model/spec.ts";
import { formatDuration } from "../util/duration.ts";
import { isJsonObject } from "../util/json-path.ts";
import type { Wait } from "../util/wait.ts";
import { endOf } from "./command.ts";
import { discard } from "./streams.ts";

/**
 * Without a health check or `ready`, having run this long is the proof. A program reads its config and finds its port
 * taken first; what only keeps a runtime open fails at its start, if its image lacks it, so that being seen past it says
 * more than any time.
 */
const STEADY_MS = { program: 2_000, keeper: 500, nothing: 0 } as const satisfies Record<
  HealthReport["main"],
  number
>;
const POLL_MS = 200;

interface Ready {
  readonly command: readonly string[];
  readonly timeout: number;
  readonly interval: number;
}

/** How long a health check of the image's own may stay undecided. */
const UNDECIDED_MS = 240_000;

/** Returns when the runtime has proved itself; throws why it has not. */
export async function awaitHealth(
  objectId: string,
  spec: Spec,
  driver: Driver,
  wait: Wait,
  signal: AbortSignal,
): Promise<void> {
  const ready = readyOf(spec);
  const limit = ready?.timeout ?? UNDECIDED_MS;
  const started = wait.elapsed();
  for (;;) {
    const report = await driver.health(objectId);
    fail(report);
    const left = AbortSignal.timeout(Math.ceil(Math.max(1, limit - (wait.elapsed() - started))));
    if (await proved(report, ready, objectId, driver, AbortSignal.any([signal, left]))) return;
    const spent = wait.elapsed() - started;
    if (spent >= limit || left.aborted) {
      throw unhealthy(`not ready after ${formatDuration(limit)}`, report);
    }
    await wait.sleep(Math.max(20, Math.min(pause(report, ready), limit - spent)));
  }
}

/** Until the next look. What only has to keep running is seen once more after a moment, and then when it has. */
function pause(report: HealthReport, ready: Ready | undefined): number {
  const { health, main, running_ms: running } = report;
  if (ready !== undefined) return Math.min(ready.interval, POLL_MS);
  // Of a keeper that cannot be seen at its work only time will tell.
  const tells = main === "program" || report.settled !== undefined;
  if (health !== "none" || (tells && running < POLL_MS)) return POLL_MS;
  return STEADY_MS[main] - running;
}

async function proved(
  report: HealthReport,
  ready: Ready | undefined,
  objectId: string,
  driver: Driver,
  signal: AbortSignal,
): Promise<boolean> {
  if (ready !== undefined) {
    const io = { stdout: discard(), stderr: discard() };
    const handle = await driver.exec({ objectId, argv: ready.command, env: {}, ...io });
    return (await endOf(handle, signal).catch((error: unknown) => cutShort(error, signal))) === 0;
  }
  if (report.health !== "none") return report.health === "healthy";
  return report.settled === true || report.running_ms >= STEADY_MS[report.main];
}

/** A command that hangs is one that does not say yes; any other failure is told. */
function cutShort(error: unknown, signal: AbortSignal): undefined {
  if (!signal.aborted) throw error;
  return undefined;
}

function fail(report: HealthReport): void {
  if (report.state === "missing") throw unhealthy("it disappeared", report);
  if (report.state === "exited")
    throw unhealthy(`it exited with ${report.exit_code ?? "an unknown code"}`, report);
  if (report.state === "restarting") throw unhealthy("the engine restarts it again and again", report);
  if (report.health === "unhealthy") throw unhealthy("its health check fails", report);
}

function unhealthy(what: string, report: HealthReport): SandkeepError {
  const detail = report.detail === undefined || report.detail === "" ? "" : `: ${report.detail}`;
  return new SandkeepError(what + detail, {
    code: "UNHEALTHY",
    blame: "backend",
    hint: "look at its command, image and ready settings",
    exitCode: 5,
  });
}

function readyOf(spec: Spec): Ready | undefined {
  const ready = spec.values["ready"];
  if (!isJsonObject(ready)) return undefined;
  const { command, timeout, interval } = ready;
  if (!Array.isArray(command) || typeof timeout !== "number" || typeof interval !== "number")
    return undefined;
  return { command: command.map(String), timeout, interval };
}
