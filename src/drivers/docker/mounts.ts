import { isAbsolute, relative } from "node:path";
import { posix } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { JsonObject } from "../../model/json.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import type { DockerSpec } from "./section.ts";
import { ownershipLabels } from "./volumes.ts";

/** Options of the empty, read-only mount that hides our state directory; nobody else's tmpfs looks like this. */
const MASK = "ro,noexec,nosuid,nodev,size=64k,mode=0555";

/** Label that says which create made a workspace volume, so that a new one is told from one found. */
export const STAMP_LABEL = "sandkeep.workspace-stamp";

/** Label with the path of a workspace volume that the runtime's user must be able to write. */
export const TARGET_LABEL = "sandkeep.workspace-target";

export function isMask(options: string): boolean {
  return options === MASK;
}

/** Canonical on its engine: it outlives every container of the runtime, so its name has no slot suffix. */
export function workspaceVolume(labels: RuntimeLabels): string {
  return `${labels.name}-workspace`;
}

export interface MountInput {
  readonly spec: DockerSpec;
  readonly labels: RuntimeLabels;
  /** Real path of our state directory. */
  readonly stateDir: string;
  readonly stamp: string;
}

/** `HostConfig.Mounts`: the workspace first, then the binds. A missing bind source is an error, never a new folder. */
export function mountOptions(input: MountInput): JsonObject[] {
  const { binds } = input.spec.docker;
  return [
    workspaceMount(input),
    ...binds.map(({ source, target, mode }) => bindMount(source, target, mode === "ro")),
  ];
}

function workspaceMount({ spec, labels, stamp }: MountInput): JsonObject {
  const { provider, source, target, access } = spec.workspace;
  switch (provider) {
    case "bind":
      if (source === undefined) break;
      return bindMount(source, target, access === "ro");
    case "volume":
      return {
        Type: "volume",
        Source: workspaceVolume(labels),
        Target: target,
        ReadOnly: access === "ro",
        // Applied only by the create that makes the volume.
        VolumeOptions: { Labels: { ...ownershipLabels(labels), [STAMP_LABEL]: stamp } },
      };
    case "own":
      return { Type: "volume", Target: target, VolumeOptions: { Labels: ownershipLabels(labels) } };
    case "link":
      break;
  }
  throw new SandkeepError(`a container cannot have a workspace of the kind "${provider}"`, {
    code: "INTERNAL",
    blame: "tool",
  });
}

function bindMount(source: string, target: string, readOnly: boolean): JsonObject {
  return { Type: "bind", Source: source, Target: target, ReadOnly: readOnly };
}

/** `HostConfig.Tmpfs`: those of the section, and the mask over a state directory inside a bound workspace. */
export function tmpfsOptions({ spec, stateDir }: MountInput): Record<string, string> {
  const mounts: Record<string, string> = {};
  for (const text of spec.docker.tmpfs) {
    const colon = text.indexOf(":");
    mounts[colon < 0 ? text : text.slice(0, colon)] = colon < 0 ? "" : text.slice(colon + 1);
  }
  const hidden = maskedPath(spec, stateDir);
  if (hidden !== undefined) mounts[hidden] = MASK;
  return mounts;
}

/** Where a bound workspace would show our state directory inside the container. */
export function maskedPath(spec: DockerSpec, stateDir: string): string | undefined {
  const { provider, source, target } = spec.workspace;
  if (provider !== "bind" || source === undefined) return undefined;
  const inside = relative(source, stateDir);
  if (inside === "" || inside.startsWith("..") || isAbsolute(inside)) return undefined;
  return posix.join(target, inside);
}
