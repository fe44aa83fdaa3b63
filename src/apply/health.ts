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

/** How long what was changed in place may take to show that it goes on. */
const GOES_ON_MS = 30_000;

/** Returns when the runtime has proved itself; throws why it has not. */
export async function awaitHealth(
  objectId: string,
  spec: Spec,
  driver: Driver,
  wait: Wait,
  signal: AbortSignal,
  { inPlace = false }: { readonly inPlace?: boolean | undefined } = {},
): Promise<void> {
  const ready = readyOf(spec);
  const look = async (): Promise<HealthReport> => judged(await driver.health(objectId), spec);
  if (inPlace) await goesOn(look, spec, wait);
  const limit = ready?.timeout ?? UNDECIDED_MS;
  const started = wait.elapsed();
  /** When the ready command is run next. */
  let due = started;
  for (;;) {
    const report = await look();
    const left = AbortSignal.timeout(Math.ceil(Math.max(1, limit - (wait.elapsed() - started))));
    if (ready === undefined) {
      if (isProved(report)) return;
    } else if (wait.elapsed() >= due) {
      if (await saysYes(ready, objectId, driver, AbortSignal.any([signal, left]))) return;
      due = wait.elapsed() + ready.interval;
    }
    const spent = wait.elapsed() - started;
    if (spent >= limit || left.aborted) {
      throw unhealthy(`not ready after ${formatDuration(limit)}`, report, spec);
    }
    const next = ready === undefined ? pause(report) : Math.min(due - wait.elapsed(), POLL_MS);
    await wait.sleep(Math.max(20, Math.min(next, limit - spent)));
  }
}

/**
 * What was changed while it runs has run for long, which says nothing of the change: it proves itself as usual once it
 * has gone on for as long as a new one has to run.
 */
async function goesOn(look: () => Promise<HealthReport>, spec: Spec, wait: Wait): Promise<void> {
  const began = wait.elapsed();
  for (;;) {
    const report = await look();
    const spent = wait.elapsed() - began;
    const left = STEADY_MS[report.main] - Math.min(report.running_ms, spent);
    if (left <= 0) return;
    if (spent >= GOES_ON_MS) throw unhealthy("it does not keep running", report, spec);
    await wait.sleep(Math.max(20, Math.min(left, POLL_MS)));
  }
}

/** Until the next look. What only has to keep running is seen once more after a moment, and then when it has. */
function pause({ health, main, running_ms: running, settled }: HealthReport): number {
  // Of a keeper that cannot be seen at its work only time will tell.
  const tells = main === "program" || settled !== undefined;
  if (health !== "none" || (tells && running < POLL_MS)) return POLL_MS;
  return STEADY_MS[main] - running;
}

function isProved({ health, settled, running_ms: running, main }: HealthReport): boolean {
  if (health !== "none") return health === "healthy";
  return settled === true || running >= STEADY_MS[main];
}

async function saysYes(
  { command }: Ready,
  objectId: string,
  driver: Driver,
  signal: AbortSignal,
): Promise<boolean> {
  const io = { stdout: discard(), stderr: discard() };
  const handle = await driver.exec({ objectId, argv: command, env: {}, ...io });
  return (await endOf(handle, signal).catch((error: unknown) => cutShort(error, signal))) === 0;
}

/** A command that hangs is one that does not say yes; any other failure is told. */
function cutShort(error: unknown, signal: AbortSignal): undefined {
  if (!signal.aborted) throw error;
  return undefined;
}

/** Throws for a runtime that cannot come to be ready any more. Its own health check says nothing where `ready` does. */
function judged(seen: HealthReport, spec: Spec): HealthReport {
  const report = readyOf(spec) === undefined ? seen : ({ ...seen, health: "none" } as const);
  if (report.state === "missing") throw unhealthy("it disappeared", report, spec);
  if (report.state === "exited")
    throw unhealthy(`it exited with ${report.exit_code ?? "an unknown code"}`, report, spec);
  if (report.state === "restarting") throw unhealthy("the engine restarts it again and again", report, spec);
  if (report.health === "unhealthy") throw unhealthy("its health check fails", report, spec);
  return report;
}

function unhealthy(what: string, report: HealthReport, spec: Spec): SandkeepError {
  const detail = report.detail === undefined || report.detail === "" ? "" : `: ${report.detail}`;
  return new SandkeepError(what + detail, {
    code: "UNHEALTHY",
    blame: "backend",
    hint: hintFor(report, spec),
    exitCode: 5,
  });
}

/** A health check comes with the image, and may ask its program, in the place of which something else runs here. */
function hintFor({ state, health, main }: HealthReport, { backend }: Spec): string {
  if (state !== "running" || health === "none") return "look at its command, image and ready settings";
  const own = "sandbox.ready takes the place of its image's HEALTHCHECK";
  if (main === "program") return `look at its command and image; ${own}`;
  return `${own}, which may ask for the image's own program: that runs only as sandbox.${backend}.command`;
}

function readyOf(spec: Spec): Ready | undefined {
  const ready = spec.values["ready"];
  if (!isJsonObject(ready)) return undefined;
  const { command, timeout, interval } = ready;
  if (!Array.isArray(command) || typeof timeout !== "number" || typeof interval !== "number")
    return undefined;
  return { command: command.map(String), timeout, interval };
}
