/**
 * Workspace volumes as things that somebody owns. In: labels or a scope. Out: the volume when it is this fleet's, a
 * refusal when it is not, or the volume gone. What another fleet, or nobody, made is never used and never deleted.
 */
import { SandkeepError } from "../../errors.ts";
import { ADDRESS_LABEL, FLEET_LABEL } from "../../model/labels.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import type { ObserveScope } from "../driver.ts";
import type { Engine } from "./client.ts";
import { STAMP_LABEL, workspaceVolume } from "./mounts.ts";
import { foreignVolume, removeVolume, volumeLabels } from "./volumes.ts";
import type { Container } from "./wire-container.ts";
import { readVolumes } from "./wire.ts";

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
  const found = await volumeLabels(engine, name);
  const why = found === undefined ? undefined : foreignVolume(labels, labels.address, found);
  if (why === undefined) return found;
  // Not a conflict: planning again finds no other way, so a person has to choose.
  throw new SandkeepError(`the volume ${name} is not this fleet's workspace of ${labels.address}: ${why}`, {
    code: FOREIGN,
    hint: "choose another fleet name or name_prefix in the config; or remove the volume, if nobody needs it",
  });
}

export function isForeignWorkspace(thrown: unknown): boolean {
  return thrown instanceof SandkeepError && thrown.code === FOREIGN;
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
