/**
 * In: a run and what else is to be told of its moment. Out: a folder (or one reproducible tar) that proves itself: every
 * file and directory with its size and hash. It is there as a whole or not at all.
 */
import { copyFile, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SandkeepError, toError } from "../errors.ts";
import type { Bundled, BundleManifest } from "../model/bundle.ts";
import { BUNDLE_VERSIONS } from "../model/bundle.ts";
import type { DoctorReport } from "../model/doctor.ts";
import { explainFleet } from "../plan/explain.ts";
import { EPHEMERAL } from "../policy/ephemeral.ts";
import type { Engine } from "../reconcile.ts";
import { planFleet } from "../reconcile.ts";
import type { FleetState } from "../state/directory.ts";
import { unlessMissing } from "../util/errno.ts";
import { listArtifacts } from "./artifacts.ts";
import { folderContents, MANIFEST, metadataOf } from "./bundle-contents.ts";
import { examine, tallied } from "./doctor/doctor.ts";
import { artifactsFolder, logPath, timesPath } from "./layout.ts";
import { ledgerStatus } from "./ledger-status.ts";
import { earlierPart } from "./log-file.ts";
import { STREAMS } from "./read-log.ts";
import type { SelectedRun } from "./select.ts";
import { verifyBundle } from "./verify-bundle.ts";

export interface BundleRequest {
  readonly state: FleetState;
  readonly run: SelectedRun;
  /** Where the bundle is made, absolute. */
  readonly output: string;
  readonly place: { readonly file?: string };
  /** False where there is no config to plan from. */
  readonly config: boolean;
  readonly includeEnv: boolean;
  readonly includeIndexState: boolean;
  readonly includeDoctor: boolean;
  readonly archive: boolean;
  readonly verify: boolean;
  readonly strict: boolean;
}

export async function bundleRun(engine: Engine, request: BundleRequest): Promise<Bundled> {
  const { run, output, archive } = request;
  const { run_id } = run.manifest;
  const target = join(output, archive ? `${run_id}.tar` : run_id);
  await refuseExisting(target);
  await mkdir(output, { recursive: true });
  // Beside its place, so that one rename puts it there; random, so that two at once do not meet.
  const making = join(output, `.bundling-${engine.randomId()}`);
  try {
    const folder = join(making, run_id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const manifest = await fill(engine, request, folder);
    if (archive) await pack(making, run_id);
    await refuseExisting(target);
    await rename(archive ? `${folder}.tar` : folder, target);
    const verification = request.verify ? await verifyBundle(target, request.strict) : null;
    const { artifact_metadata, notes } = manifest;
    return { run_id, bundle: target, artifact_metadata, notes, verification };
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

async function refuseExisting(target: string): Promise<void> {
  if ((await unlessMissing(stat(target))) === undefined) return;
  throw new SandkeepError(`${target} is there already, and evidence is not written over`, {
    code: "BUNDLE_EXISTS",
    hint: "name another folder with --output, or remove it first",
  });
}

async function fill(engine: Engine, request: BundleRequest, folder: string): Promise<BundleManifest> {
  const { run } = request;
  const notes: string[] = [];
  await copyLogs(run.folder, folder);
  await copyArtifacts(run.folder, folder);
  for (const [name, told] of await momentOf(engine, request, notes)) await writeJson(folder, name, told);
  const manifest: BundleManifest = {
    bundle_format_version: BUNDLE_VERSIONS[0] ?? 1,
    tool_version: engine.toolVersion,
    created_at: new Date(engine.now()).toISOString(),
    run: run.manifest,
    artifact_metadata: await metadataOf((await folderContents(folder)).entries),
    notes,
  };
  await writeJson(folder, MANIFEST, manifest);
  return manifest;
}

async function writeJson(folder: string, name: string, value: unknown): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
}

async function copyLogs(from: string, folder: string): Promise<void> {
  await mkdir(join(folder, "logs"), { mode: 0o700 });
  const names = STREAMS.flatMap((stream) => [logPath("", stream), earlierPart(logPath("", stream))]);
  for (const name of [...names, timesPath("")]) {
    await unlessMissing(copyFile(join(from, name), join(folder, "logs", name)));
  }
}

async function copyArtifacts(from: string, folder: string): Promise<void> {
  const [own, target] = [artifactsFolder(from), artifactsFolder(folder)];
  for (const { path } of await listArtifacts(from)) {
    await mkdir(dirname(join(target, path)), { recursive: true, mode: 0o700 });
    await copyFile(join(own, path), join(target, path));
  }
}

/** What the fleet was to become, and why it is as it is, at this moment; what cannot be told leaves a note. */
async function momentOf(
  engine: Engine,
  request: BundleRequest,
  notes: string[],
): Promise<readonly (readonly [name: string, told: unknown])[]> {
  const { run, state, place, includeEnv, includeIndexState, includeDoctor } = request;
  const found: (readonly [string, unknown])[] = [];
  const tell = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      found.push([name, await work()]);
    } catch (thrown) {
      notes.push(`${name}: ${toError(thrown).message}`);
    }
  };
  if (request.config) {
    const intent = { mode: "apply" } as const;
    await tell("plan.json", async () => valid(await planFleet(engine, { ...place, intent })).plan);
    // Settings of no agent are those of all.
    const agent = run.manifest.agent === EPHEMERAL ? {} : { agent: run.manifest.agent };
    await tell(
      "explain.json",
      async () => valid(await explainFleet(engine, { ...place, ...agent })).explanation,
    );
  } else notes.push("plan.json, explain.json: there is no config to make them from");
  if (includeEnv) await tell("env.json", async () => ({ ...run.manifest.env, ...environmentOf(engine) }));
  if (includeIndexState) await tell("index-state.json", async () => ledgerStatus(state, engine.now()));
  if (includeDoctor) await tell("doctor.json", () => doctorOf(engine, request));
  return found;
}

/** How the state directory stands; nothing of other fleets, which are nobody's business who reads the bundle. */
async function doctorOf(engine: Engine, { state, config, place }: BundleRequest): Promise<DoctorReport> {
  const where = config ? place : { fleet: state.fleet };
  const { report } = valid(await examine(engine, { ...where, fix: false, dryRun: false }));
  const findings = report.findings.filter(({ fleet }) => fleet === null || fleet === state.fleet);
  return { ...report, ...tallied(findings), findings };
}

/** Of the machine that made the bundle; no value of any variable. */
function environmentOf(engine: Engine): object {
  const { version, platform, arch } = process;
  return { maker: { sandkeep: engine.toolVersion, node: version, platform, arch } };
}

function valid<T extends { readonly status: string }>(
  outcome: T,
): Exclude<T, { readonly status: "invalid" }> {
  if (isValid(outcome)) return outcome;
  throw new SandkeepError("the config is not valid", { code: "INVALID_CONFIG", exitCode: 78 });
}

function isValid<T extends { readonly status: string }>(
  outcome: T,
): outcome is Exclude<T, { readonly status: "invalid" }> {
  return outcome.status !== "invalid";
}

/** The same content, the same bytes: sorted, without times and owners. */
async function pack(making: string, name: string): Promise<void> {
  const { create } = await import("tar");
  const { entries } = await folderContents(join(making, name));
  const paths = [name, ...[...entries.keys()].toSorted().map((path) => `${name}/${path}`)];
  const fixed = { portable: true, noMtime: true, noDirRecurse: true } as const;
  await create({ ...fixed, cwd: making, file: join(making, `${name}.tar`) }, paths);
}
