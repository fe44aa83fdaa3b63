/**
 * State directories that lie in what a container binds. In: a container, or a spec that one is to be made of. Out: what it
 * shows of ours, and whose it must hide. It changes nothing.
 */
import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import type { RuntimeLabels } from "../../model/labels.ts";
import { decodeLabels } from "../../model/labels.ts";
import { isMissing } from "../../util/errno.ts";
import type { Engine } from "./client.ts";
import { findContainer } from "./find-container.ts";
import { isBelow } from "./layer.ts";
import { hides, isMask, maskedPaths, shownPaths } from "./mounts.ts";
import type { DockerSpec } from "./section.ts";
import { tryReadValues } from "./section.ts";
import type { Container } from "./wire-container.ts";

type Mounted = Pick<Container, "HostConfig" | "Mounts">;

/** Where a container shows a state directory that it was made without a mask for. */
export function unmaskedPaths(container: Mounted, stateDir: string): string[] {
  const masks = masksOf(container);
  const { Tmpfs } = container.HostConfig;
  const further = Object.keys(Tmpfs).filter((path) => !masks.includes(path));
  const targets = [...container.Mounts.map(({ Destination }) => Destination), ...further];
  return shownPaths(bindsOf(container), targets, stateDir).filter(
    (path) => !masks.some((mask) => hides(mask, path, targets)),
  );
}

/**
 * Our state directory, and where that is to be hidden, all that the runtime hides until now: two who keep their state in one
 * workspace would otherwise each replace the other's runtime for ever.
 */
export async function stateDirectories(
  engine: Engine,
  spec: DockerSpec,
  labels: RuntimeLabels,
): Promise<readonly string[]> {
  const { dialect, stateDir } = engine;
  if (maskedPaths(spec, stateDir).length === 0) return [stateDir];
  const before = await findContainer(engine, labels.name);
  const found = before === undefined ? undefined : decodeLabels(before.Config.Labels);
  if (before === undefined || found?.fleet !== labels.fleet || found.address !== labels.address)
    return [stateDir];
  const made = tryReadValues(found.spec.values, dialect.name);
  const hidden = hiddenBy(made === undefined ? before : dialect.read(before, made));
  const others = await Promise.all(
    hidden.map(async (folder) => ((await isStateDirectory(folder)) ? [folder] : [])),
  );
  return [...new Set([stateDir, ...others.flat()])];
}

function masksOf({ HostConfig }: Mounted): string[] {
  return Object.entries(HostConfig.Tmpfs).flatMap(([path, options]) => (isMask(options) ? [path] : []));
}

function bindsOf({ Mounts }: Mounted): { readonly source: string; readonly target: string }[] {
  return Mounts.filter(({ Type }) => Type === "bind").map(({ Source, Destination }) => ({
    source: Source,
    target: Destination,
  }));
}

/** The folders of this machine that the masks of a container lie on. */
function hiddenBy(container: Mounted): string[] {
  return masksOf(container).flatMap((path) =>
    bindsOf(container)
      .filter(({ target }) => isBelow(path, target))
      .toSorted((a, b) => b.target.length - a.target.length)
      .slice(0, 1)
      .map(({ source, target }) => join(source, posix.relative(target, path))),
  );
}

/** One that was moved away leaves a folder that may be anything by now. What is closed to us is another's own. */
async function isStateDirectory(folder: string): Promise<boolean> {
  return stat(join(folder, "owner-id")).then(
    () => true,
    (thrown: unknown) => !isMissing(thrown),
  );
}
