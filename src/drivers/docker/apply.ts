/**
 * In: an object id or a name, and what to bring about. Out: one effect on the engine, done once however often it is asked.
 * What already is so, or already is gone, is success. Nothing here decides whether the effect is wanted.
 */
import { mkdir, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../../errors.ts";
import type { JsonObject } from "../../model/json.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { decodeLabels } from "../../model/labels.ts";
import { stageTree } from "../../util/stage-place.ts";
import type { CreateRequest, Created, DriverDeps, UpdateRequest } from "../driver.ts";
import type { Engine } from "./client.ts";
import { containerOptions, ownerOf } from "./container.ts";
import { isGone } from "./errors.ts";
import type { EngineFacts } from "./facts.ts";
import { updateOptions, warnedOf } from "./limits.ts";
import { stateDirectories } from "./masks.ts";
import { maskedPaths, STAMP_LABEL, workspaceVolume } from "./mounts.ts";
import { findContainer, getContainer } from "./find-container.ts";
import { isRoot, widenWorkspace } from "./own-command.ts";
import type { DockerSpec } from "./section.ts";
import { inSection, readSection, readValues } from "./section.ts";
import { foreignVolume, removeVolume, volumeLabels } from "./volumes.ts";
import {
  claimWorkspace,
  hasWorkspaceVolume,
  isForeignWorkspace,
  isUnfilled,
  markUnfilled,
  ownWorkspace,
  removeHelpersOf,
  unmarkUnfilled,
  wasNeverUsed,
} from "./workspaces.ts";
import type { Container } from "./wire-container.ts";
import { readCreated } from "./wire.ts";

const WRITE_TIMEOUT_MS = 120_000;
/** A stop takes as long as it is given, which nobody here knows where the container itself says it. */
const STOP_TIMEOUT_MS = 600_000;
const REMOVAL_TRIES = 60;
const REMOVAL_PAUSE_MS = 250;

const containerPath = (id: string, rest = ""): string => `/containers/${encodeURIComponent(id)}${rest}`;
const short = (id: string): string => id.slice(0, 12);

export async function create(
  engine: Engine,
  facts: EngineFacts,
  deps: DriverDeps,
  request: CreateRequest,
): Promise<Created> {
  const asked = readValues(request.spec.values, engine.dialect.name);
  const { stateDir } = engine;
  const spec = withStage(asked, stageTree(stateDir, request.labels));
  await refuseForeignBind(engine, spec.workspace.provider === "bind" || spec.docker.binds.length > 0);
  if (engine.dialect.makesSources) await requireSources(spec);
  const isVolume = spec.workspace.provider === "volume";
  const stamp = deps.randomId();
  if (isVolume) await claimWorkspace(engine, request.labels, stamp);
  // A mask needs a folder to be mounted on, and below a read-only bind the engine could not make one.
  if (maskedPaths(spec, stateDir).length > 0) await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const user = await ownerOf(asked);
  const stateDirs = await stateDirectories(engine, spec, request.labels);
  const options = containerOptions({ spec, labels: request.labels, stateDirs, stamp, user });
  const { write } = engine.dialect;
  const body = write === undefined ? options : write(options, { spec, info: await facts.info() });
  const call = {
    what: `create container ${request.name}`,
    method: "POST",
    path: "/containers/create",
    query: { name: request.name },
    body,
    timeout: WRITE_TIMEOUT_MS,
  } as const;
  const { Id, Warnings } = await engine.creates.add(() =>
    engine.writes.add(() => engine.json(call, readCreated)),
  );
  if (await startsAsRoot(facts, options)) engine.known.open.add(Id);
  const warnings = Warnings.map((message) => {
    const path = warnedOf(message);
    return { path: path === undefined ? undefined : inSection(path, engine.dialect.name), message };
  });
  if (!isVolume) return { objectId: Id, needsSeed: false, warnings };
  try {
    const labels = await ownWorkspace(engine, request.labels);
    if (labels?.[STAMP_LABEL] === stamp) {
      // That of one before it, whose removal was broken off before its last step.
      await unmarkUnfilled(engine, request.labels);
      return { objectId: Id, needsSeed: true, warnings };
    }
    const { target } = spec.workspace;
    const isNew =
      (await isUnfilled(engine, request.labels, labels?.[STAMP_LABEL])) ||
      (await wasNeverUsed(engine, request.labels, { objectId: Id, target }));
    if (!isNew) return { objectId: Id, needsSeed: false, warnings };
  } catch (thrown) {
    // Somebody else made the volume since the first look.
    if (isForeignWorkspace(thrown)) await removeContainer(engine, Id);
    throw thrown;
  }
  await removeContainer(engine, Id);
  await removeVolume(engine, workspaceVolume(request.labels));
  await unmarkUnfilled(engine, request.labels);
  return await create(engine, facts, deps, request);
}

/** Whose commands run as root, which needs no wider workspace; false where only the container itself could tell. */
async function startsAsRoot(facts: EngineFacts, { User, Image }: JsonObject): Promise<boolean> {
  if (typeof User === "string") return isRoot(User);
  const named = typeof Image === "string" && Image.startsWith("sha256:");
  const image = named ? await facts.image(Image).catch(() => undefined) : undefined;
  return image !== undefined && isRoot(image.Config?.User ?? "");
}

function withStage(spec: DockerSpec, tree: string): DockerSpec {
  return spec.writes === "staged" ? { ...spec, workspace: { ...spec.workspace, source: tree } } : spec;
}

/** On another machine a bind's source would be some other folder, or none. */
async function refuseForeignBind(engine: Engine, binds: boolean): Promise<void> {
  const endpoint = await engine.endpoint();
  if (!binds || endpoint.kind === "unix") return;
  throw new SandkeepError("folders of this machine cannot be bound into a container of another one", {
    code: "DOCKER_REMOTE_BIND",
    hint: "the engine was named by the environment or a docker context; give it a [hosts.<name>] table instead",
  });
}

/** A mistyped source must be an error, never a new folder. */
async function requireSources({ workspace, docker }: DockerSpec): Promise<void> {
  const own = workspace.provider === "bind" && workspace.source !== undefined ? [workspace.source] : [];
  for (const source of [...own, ...docker.binds.map((bind) => bind.source)]) {
    await stat(source).catch((cause: unknown) => {
      throw new SandkeepError(`bind source path does not exist: ${source}`, {
        code: "DOCKER_BIND_SOURCE",
        hint: "create the folder, or change the bind",
        cause,
      });
    });
  }
}

export async function start(engine: Engine, objectId: string): Promise<void> {
  const send = (verb: "start" | "unpause"): Promise<void> =>
    engine.writes.add(() =>
      engine.send({
        what: `${verb} container ${short(objectId)}`,
        method: "POST",
        path: containerPath(objectId, `/${verb}`),
        timeout: WRITE_TIMEOUT_MS,
      }),
    );
  try {
    await send("start");
  } catch (thrown) {
    // A container that somebody paused has been started already, and engines say so instead of letting it go on.
    if (
      !(thrown instanceof SandkeepError) ||
      !/paused container|must be in created or stopped state/i.test(thrown.message)
    )
      throw thrown;
    await send("unpause");
  }
  if (engine.known.open.has(objectId)) return;
  await widenWorkspace(engine, await getContainer(engine, objectId));
}

/** Takes none of the engine's places for changes: what it waits for is the end of the container's own program. */
export async function stop(engine: Engine, objectId: string, graceS?: number): Promise<void> {
  await engine.send({
    what: `stop container ${short(objectId)}`,
    method: "POST",
    path: containerPath(objectId, "/stop"),
    ...(graceS === undefined ? {} : { query: { t: graceS } }),
    timeout: Math.max(STOP_TIMEOUT_MS, WRITE_TIMEOUT_MS + (graceS ?? 0) * 1000),
  });
}

export async function update(engine: Engine, request: UpdateRequest): Promise<void> {
  const body = updateOptions(readSection(request.spec.values[engine.dialect.name]), request.paths);
  if (Object.keys(body).length === 0) return;
  await engine.writes.add(() =>
    engine.send({
      what: `update container ${short(request.objectId)}`,
      method: "POST",
      path: containerPath(request.objectId, "/update"),
      body,
      timeout: WRITE_TIMEOUT_MS,
    }),
  );
}

export async function rename(engine: Engine, objectId: string, to: string): Promise<void> {
  const what = `rename container ${short(objectId)} to ${to}`;
  try {
    await engine.writes.add(() =>
      engine.send({ what, method: "POST", path: containerPath(objectId, "/rename"), query: { name: to } }),
    );
  } catch (thrown) {
    // Engines refuse to give a container the name it has; after a lost answer that is what we find.
    const container = await findContainer(engine, objectId);
    if (container?.Name !== `/${to}`) throw thrown;
  }
}

/** Removes by id, with its anonymous volumes. The canonical workspace volume goes only on demand. */
export async function remove(engine: Engine, objectId: string, workspace: "keep" | "delete"): Promise<void> {
  if (engine.known.volumeless.has(objectId)) return removeContainer(engine, objectId);
  const container = await findContainer(engine, objectId);
  if (container === undefined) return;
  const labels = decodeLabels(container.Config.Labels);
  if (labels === undefined || !hasWorkspaceVolume(container, labels))
    return removeContainer(engine, objectId);
  const fate = await fateOf(engine, container, labels, workspace);
  // Whoever ran has the workspace as it is, so that an older mark on it must not outlive the proof.
  if (!neverRan(container)) await unmarkUnfilled(engine, labels);
  if (fate === "kept") return removeContainer(engine, objectId);
  await removeHelpersOf(engine, objectId);
  if (fate === "unfilled") await markUnfilled(engine, labels, container.Config.Labels[STAMP_LABEL] ?? "");
  await removeContainer(engine, objectId);
  await removeVolume(engine, workspaceVolume(labels));
  if (fate === "unfilled") await unmarkUnfilled(engine, labels);
}

async function removeContainer(engine: Engine, objectId: string): Promise<void> {
  const what = `remove container ${short(objectId)}`;
  try {
    await engine.removals.add(() =>
      engine.send({
        what,
        method: "DELETE",
        path: containerPath(objectId),
        query: { force: true, v: true, ...engine.dialect.removal },
        timeout: WRITE_TIMEOUT_MS,
      }),
    );
  } catch (thrown) {
    if (isGone(thrown)) return;
    if (!(thrown instanceof SandkeepError) || !/removal .*in progress/i.test(thrown.message)) throw thrown;
    for (let attempt = 0; attempt < REMOVAL_TRIES; attempt += 1) {
      if ((await findContainer(engine, objectId)) === undefined) return;
      await sleep(REMOVAL_PAUSE_MS);
    }
    throw thrown;
  }
}

/**
 * The fleet's own workspace volume goes with a container when asked for, or when this container made it and never ran, since
 * then it was never filled to the end and the next create must find it missing to fill it.
 */
async function fateOf(
  engine: Engine,
  container: Container,
  labels: RuntimeLabels,
  workspace: "keep" | "delete",
): Promise<"kept" | "deleted" | "unfilled"> {
  if (workspace === "keep" && !neverRan(container)) return "kept";
  const made = await volumeLabels(engine, workspaceVolume(labels));
  if (made === undefined || foreignVolume(labels, labels.address, made) !== undefined) return "kept";
  const stamp = container.Config.Labels[STAMP_LABEL];
  if (neverRan(container) && stamp !== undefined && made[STAMP_LABEL] === stamp) return "unfilled";
  return workspace === "delete" ? "deleted" : "kept";
}

/** By the time of its start, which an engine that was itself restarted still knows. */
function neverRan({ State: { Status, StartedAt } }: Container): boolean {
  const started = Date.parse(StartedAt);
  return Number.isNaN(started) ? Status === "created" : started <= 0;
}
