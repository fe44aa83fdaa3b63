import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunManifest } from "../model/run-manifest.ts";
import { Reading } from "../runs/history.ts";
import { manifestPath, runFolder } from "../runs/layout.ts";
import type { FleetState } from "../state/directory.ts";
import { EXIT } from "./exit-codes.ts";
import type { Env } from "./globals.ts";
import type { Streams } from "./invocation.ts";

const LOOK_EVERY_MS = 50;

export type Detached =
  | { readonly status: "detached"; readonly manifest: RunManifest }
  /** It ended before anything was recorded, and has said why. */
  | { readonly status: "failed"; readonly exitCode: number };

/**
 * Starts the same command line once more as a process of its own, which outlives this one and owns the run: its logs, its
 * heartbeat and its timeout. Answers when the run is recorded.
 */
export async function detach(
  runId: string,
  state: FleetState,
  { streams, env, cwd }: { readonly streams: Streams; readonly env: Env; readonly cwd: string },
): Promise<Detached> {
  const [, script = "", ...argv] = process.argv;
  const child = spawn(process.execPath, [script, ...argv], {
    cwd,
    env: { ...env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  // What it says before the run is recorded is about why it is not.
  child.stdout.pipe(streams.stdout, { end: false });
  child.stderr.pipe(streams.stderr, { end: false });
  const folder = runFolder(state, runId);
  const lives = (): boolean => child.exitCode === null && child.signalCode === null;
  while (!existsSync(manifestPath(folder)) && lives()) await sleep(LOOK_EVERY_MS);
  const manifest = await new Reading(state, Date.now()).manifest(folder);
  if (manifest === undefined || manifest.exit_class === "not-started") {
    await closed;
    return { status: "failed", exitCode: child.exitCode ?? EXIT.failed };
  }
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
  return { status: "detached", manifest };
}
