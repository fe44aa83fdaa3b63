/** What the parts of the driver share: its dependencies, and finding an object by its id. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { DriverDeps } from "../driver.ts";
import { unlessMissing } from "../../util/errno.ts";
import { notFound } from "./errors.ts";
import type { FleetLayout } from "./layout.ts";
import { isObjectId, layoutOf, localRoot } from "./layout.ts";
import { objectExists } from "./names.ts";

export interface LocalContext {
  readonly deps: DriverDeps;
  /** Object id → the fleet folder it was last found in; only a hint. */
  readonly seen: Map<string, string>;
}

export interface Located {
  readonly layout: FleetLayout;
  /** The object's own folder. */
  readonly dir: string;
}

export async function locate(context: LocalContext, objectId: string): Promise<Located | undefined> {
  if (!isObjectId(objectId)) return undefined;
  const root = localRoot(context.deps.stateDir);
  const hint = context.seen.get(objectId);
  const fleets = (await unlessMissing(readdir(root))) ?? [];
  for (const dir of hint === undefined ? fleets.map((each) => join(root, each)) : [hint]) {
    const layout = layoutOf(dir);
    if (await objectExists(layout, objectId)) {
      context.seen.set(objectId, dir);
      return { layout, dir: layout.object(objectId) };
    }
  }
  context.seen.delete(objectId);
  return undefined;
}

export async function mustLocate(context: LocalContext, objectId: string): Promise<Located> {
  const found = await locate(context, objectId);
  if (found === undefined) throw notFound(objectId);
  return found;
}
