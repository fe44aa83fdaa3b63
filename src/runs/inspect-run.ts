import { existsSync } from "node:fs";
import type { RunInspection, RunLine, RunPaths } from "../model/run-answers.ts";
import { textOfBytes } from "../util/shown-bytes.ts";
import { logPath } from "./layout.ts";
import { latestLog, tailOf } from "./read-log.ts";
import type { SelectedRun } from "./select.ts";
import type { StreamName } from "./time-index.ts";

export async function lastLines(
  folder: string,
  count: number,
  streams?: readonly StreamName[],
  ends?: ReadonlyMap<StreamName, number>,
): Promise<RunLine[]> {
  const lines = count === 0 ? [] : await tailOf(folder, count, streams, ends);
  return lines.map(({ stream, ms, bytes }) => ({ stream, ms, text: textOfBytes(bytes) }));
}

export async function inspectRun({ folder, manifest }: SelectedRun, lines: number): Promise<RunInspection> {
  return {
    run: manifest,
    folder,
    latest_log: await latestLog(folder),
    lines: await lastLines(folder, lines),
  };
}

export async function pathsOf({ folder, manifest }: SelectedRun): Promise<RunPaths> {
  const present = (stream: StreamName): string | null => {
    const path = logPath(folder, stream);
    return existsSync(path) ? path : null;
  };
  return {
    run_id: manifest.run_id,
    folder,
    latest_log: await latestLog(folder),
    stdout: present("stdout"),
    stderr: present("stderr"),
  };
}
