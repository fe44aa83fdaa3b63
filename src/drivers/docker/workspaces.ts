/**
 * Workspace volumes as things that somebody owns. In: labels or a scope. Out: the volume when it is this fleet's, a
 * refusal when it is not, or the volume gone. What another fleet, or nobody, made is never used and never deleted.
 */
import { posix } from "node:path";
import { hasCode, SandkeepError } from "../../errors.ts";
import { ADDRESS_LABEL, FLEET_LABEL } from "../../model/labels.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { readTar } from "../../util/read-tar.ts";
import { plainPath } from "../../util/script-workspace.ts";
import type { ObserveScope } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isGone } from "./errors.ts";
import { archive, deleteHelper } from "./files.ts";
import { HELPER_LABEL, STAMP_LABEL, workspaceVolume } from "./mounts.ts";
import {
  createVolume,
  foreignVolume,
  makeMark,
  markName,
  ownershipLabels,
  removeVolume,
  volumeLabels,
} from "./volumes.ts";
import type { Container } from "./wire-container.ts";
import { readUsers, readVolumes } from "./wire.ts";

const FOREIGN = "DOCKER_VOLUME_FOREIGN";

export function hasWorkspaceVolume({ Mounts }: Pick<Container, "Mounts">, labels: RuntimeLabels): boolean {
  const name = workspaceVolume(labels);
  return Mounts.some((mount) => mount.Type === "volume" && mount.Name === name);
}

/** Labels of the address's workspace volume; undefined when there is none. Throws for one that is somebody else's. */
export async function ownWorkspace(
  engine: Engine,
  labels: RuntimeLabels,
): Promise<Readonly<Record<string, string>> | undefined> {
  const name = workspaceVolume(labels);
  return requireOwn(labels, name, await volumeLabels(engine, name));
}

/** The same; made, with this stamp, where there is none and the engine would make it without its labels. */
export async function claimWorkspace(engine: Engine, labels: RuntimeLabels, stamp: string): Promise<void> {
  if (engine.dialect.labelsVolumes) return void (await ownWorkspace(engine, labels));
  const name = workspaceVolume(labels);
  const own = { ...ownershipLabels(labels), [STAMP_LABEL]: stamp };
  requireOwn(labels, name, await createVolume(engine, `create volume ${name}`, name, own));
}

/**
 * Whether a found workspace was made by a create that ended before its container was there: nothing is in it, and this
 * container alone has it. Taken as it is it would never be seeded; one that somebody emptied loses nothing by it.
 */
export async function wasNeverUsed(
  engine: Engine,
  labels: RuntimeLabels,
  { objectId, target }: { readonly objectId: string; readonly target: string },
): Promise<boolean> {
  if (engine.dialect.labelsVolumes) return false;
  const volume = workspaceVolume(labels);
  const users = await engine.json(
    {
      what: `list the users of ${volume}`,
      method: "GET",
      path: "/containers/json",
      query: { all: true, filters: { volume: [volume] } },
    },
    readUsers,
  );
  if (users.some(({ Id }) => Id !== objectId)) return false;
  const contents = await archive(engine, objectId, posix.join(target, "."));
  try {
    for await (const { path } of readTar(contents, "the workspace")) if (plainPath(path) !== "") return false;
    return true;
  } finally {
    contents.destroy();
  }
}

/**
 * Says that the workspace with this stamp was not filled to its end, before the container that says so as well goes: a
 * removal that ends half way must not leave a workspace that looks like any other.
 */
export async function markUnfilled(engine: Engine, labels: RuntimeLabels, stamp: string): Promise<void> {
  await makeMark(engine, "mark a workspace as not filled", markName("unfilled", labels, labels.address), {
    ...ownershipLabels(labels),
    [STAMP_LABEL]: stamp,
  });
}

export async function unmarkUnfilled(engine: Engine, labels: RuntimeLabels): Promise<void> {
  await removeVolume(engine, markName("unfilled", labels, labels.address));
}

export async function isUnfilled(
  engine: Engine,
  labels: RuntimeLabels,
  stamp: string | undefined,
): Promise<boolean> {
  const marked = await volumeLabels(engine, markName("unfilled", labels, labels.address));
  return stamp !== undefined && marked?.[STAMP_LABEL] === stamp;
}

/** What a killed upload left holding the volumes of this container; none that runs. */
export async function removeHelpersOf(engine: Engine, objectId: string): Promise<void> {
  const left = await engine.json(
    {
      what: "list what holds a workspace",
      method: "GET",
      path: "/containers/json",
      query: {
        all: true,
        filters: { label: [`${HELPER_LABEL}=${objectId}`], status: ["created", "exited"] },
      },
    },
    readUsers,
  );
  for (const { Id } of left) {
    try {
      await deleteHelper(engine, "end a left upload", Id, false);
    } catch (thrown) {
      if (!isGone(thrown)) throw thrown;
    }
  }
}

function requireOwn(
  labels: RuntimeLabels,
  name: string,
  found: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  const why = found === undefined ? undefined : foreignVolume(labels, labels.address, found);
  if (why === undefined) return found;
  // Not a conflict: planning again finds no other way, so a person has to choose.
  throw new SandkeepError(`the volume ${name} is not this fleet's workspace of ${labels.address}: ${why}`, {
    code: FOREIGN,
    hint: "choose another fleet name or name_prefix in the config; or remove the volume, if nobody needs it",
  });
}

export function isForeignWorkspace(thrown: unknown): boolean {
  return hasCode(thrown, FOREIGN);
}

/** Deletes the workspace volumes of an address; a conflict while a container uses one. */
export async function forgetWorkspace(engine: Engine, scope: ObserveScope, address: string): Promise<void> {
  const label = [`${FLEET_LABEL}=${scope.fleet}`, `${ADDRESS_LABEL}=${address}`, STAMP_LABEL];
  const { Volumes } = await engine.json(
    { what: "list volumes", method: "GET", path: "/volumes", query: { filters: { label } } },
    readVolumes,
  );
  for (const { Name, Labels } of Volumes) {
    // Some engines list what has any of the labels; a dormancy mark has the first two.
    if (Labels[STAMP_LABEL] === undefined) continue;
    if (foreignVolume(scope, address, Labels) === undefined) await removeVolume(engine, Name);
  }
}
