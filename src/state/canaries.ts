/** Reports of canaries, one file each. Losing them loses the trend; whether a host takes new runtimes stands elsewhere. */
import { join } from "node:path";
import type { CanaryReport } from "../model/canary.ts";
import { canaryReportSchema } from "../model/canary.ts";
import { decodeFileName, encodeFileName } from "../util/file-name.ts";
import type { FleetState } from "./directory.ts";
import { listNames, readJson, removeFile, writeJson } from "./files.ts";

/** Of each host. */
const KEPT = 200;
const SUFFIX = ".json";

function folder(state: FleetState): string {
  return join(state.dir, "canaries");
}

/** Host, time and id: names of one host sort by their time. */
function nameOf({ host, started_at, id }: Pick<CanaryReport, "host" | "started_at" | "id">): string {
  return `${encodeFileName(`${host} ${started_at} ${id}`)}${SUFFIX}`;
}

async function namesOf(state: FleetState, host: string | undefined): Promise<readonly string[]> {
  const all = (await listNames(folder(state))).map((name) => ({
    name,
    parts: (decodeFileName(name.slice(0, -SUFFIX.length)) ?? "").split(" "),
  }));
  return all
    .filter(
      ({ name, parts }) => name.endsWith(SUFFIX) && parts.length === 3 && (host ?? parts[0]) === parts[0],
    )
    .toSorted((a, b) => ((a.parts[1] ?? "") < (b.parts[1] ?? "") ? -1 : 1))
    .map(({ name }) => name);
}

/** The path of what was written. */
export async function keepCanary(state: FleetState, report: CanaryReport): Promise<string> {
  const path = join(folder(state), nameOf(report));
  await writeJson(path, report);
  const names = await namesOf(state, report.host);
  for (const name of names.slice(0, Math.max(0, names.length - KEPT)))
    await removeFile(join(folder(state), name));
  return path;
}

/** Oldest first; a file that cannot be read is told and left out. */
export async function readCanaries(
  state: FleetState,
  { host, most }: { readonly host: string | undefined; readonly most: number },
): Promise<readonly CanaryReport[]> {
  const names = (await namesOf(state, host)).slice(-most);
  const read = names.map(async (name) =>
    readJson(join(folder(state), name), canaryReportSchema, "report", state.onProblem),
  );
  return (await Promise.all(read)).filter((each) => each !== undefined);
}
