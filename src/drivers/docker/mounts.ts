import { posix, relative } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { JsonObject } from "../../model/json.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { secretsTmpfs } from "./command-secrets.ts";
import type { DockerSpec } from "./section.ts";
import { ownershipLabels } from "./volumes.ts";

/** Options of the empty, read-only mount that hides our state directory; nobody else's tmpfs looks like this. */
export const MASK = "ro,noexec,nosuid,nodev,size=64k,mode=0555";

/** Label that says which create made a workspace volume, so that a new one is told from one found. */
export const STAMP_LABEL = "sandkeep.workspace-stamp";
/** On a container of our own that holds a volume for a moment: whose volume it is, as a container's id. */
export const HELPER_LABEL = "sandkeep.upload-for";

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
  /** Real paths of the state directories to hide: ours, and those of others. */
  readonly stateDirs: readonly string[];
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

/** `HostConfig.Tmpfs`: those of the section, and the masks over the state directory. */
export function tmpfsOptions({ spec, stateDirs }: MountInput): Record<string, string> {
  const shown = stateDirs.flatMap((stateDir) => maskedPaths(spec, stateDir));
  const targets = targetsOf(spec);
  // On a mask nothing could be mounted.
  const masks = shown.filter((path) => !shown.some((each) => each !== path && hides(each, path, targets)));
  const own = spec.docker.command_secrets.length === 0 ? {} : secretsTmpfs();
  return {
    ...Object.fromEntries([...spec.docker.tmpfs.map(tmpfsMount), ...masks.map((path) => [path, MASK])]),
    ...own,
  };
}

function tmpfsMount(text: string): [path: string, options: string] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** Where a container of this spec would show a state directory. */
export function maskedPaths(spec: DockerSpec, stateDir: string): string[] {
  const { provider, source, target } = spec.workspace;
  const workspace = provider === "bind" && source !== undefined ? [{ source, target }] : [];
  return shownPaths([...workspace, ...spec.docker.binds], targetsOf(spec), stateDir);
}

function targetsOf({ workspace, docker }: DockerSpec): string[] {
  const tmpfs = docker.tmpfs.map((text) => tmpfsMount(text)[0]);
  return [workspace.target, ...docker.binds.map((bind) => bind.target), ...tmpfs];
}

/**
 * Where binds show a folder inside the container. A place that lies in a further mount below the bind is that mount's
 * and needs no mask, and a mask there would hide what the mount was made for.
 */
export function shownPaths(
  binds: readonly { readonly source: string; readonly target: string }[],
  targets: readonly string[],
  folder: string,
): string[] {
  return binds.flatMap((bind) => {
    const inside = relative(bind.source, folder);
    if (inside === "" || leavesParent(inside)) return [];
    const path = posix.join(bind.target, inside);
    const further = targets.some(
      (each) => each !== bind.target && isBelow(each, bind.target) && isBelow(path, each),
    );
    return further ? [] : [path];
  });
}

/** Whether a mask leaves nothing to be seen of what lies at a path, unless a further mount below it shows that again. */
export function hides(mask: string, path: string, targets: readonly string[]): boolean {
  return isBelow(path, mask) && !targets.some((each) => isBelow(each, mask) && isBelow(path, each));
}

function isBelow(path: string, folder: string): boolean {
  return !leavesParent(posix.relative(folder, path));
}

/** `..st` is a name like any other. */
function leavesParent(inside: string): boolean {
  return inside === ".." || inside.startsWith("../");
}
