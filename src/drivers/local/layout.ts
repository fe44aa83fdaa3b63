/**
 * Where everything of the local backend lives:
 *
 *     <stateDir>/local/<fleet>/<name>            symlink to objects/<id>; its existence is the name's mutex
 *     <stateDir>/local/<fleet>/objects/<id>/     manifest.json labels.json home/ tmp/ workspace
 *     <stateDir>/local/<fleet>/.dormant/<address>.json
 */
import { join } from "node:path";
import { SandkeepError } from "../../errors.ts";
import { encodeFileName } from "../../util/file-name.ts";

export const OBJECTS = "objects";
export const DORMANT = ".dormant";

const OBJECT_ID = /^[0-9a-f]{16}$/;
const RUNTIME_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
const LINK_TARGET = /^objects\/([0-9a-f]{16})$/;

export function isObjectId(text: string): boolean {
  return OBJECT_ID.test(text);
}

export function isRuntimeName(text: string): boolean {
  return RUNTIME_NAME.test(text) && text !== OBJECTS;
}

export function localRoot(stateDir: string): string {
  return join(stateDir, "local");
}

export interface FleetLayout {
  readonly dir: string;
  readonly objects: string;
  readonly dormant: string;
  name(name: string): string;
  object(objectId: string): string;
  mark(address: string): string;
}

export function fleetLayout(stateDir: string, fleet: string): FleetLayout {
  return layoutOf(join(localRoot(stateDir), encodeFileName(fleet)));
}

export function layoutOf(dir: string): FleetLayout {
  return {
    dir,
    objects: join(dir, OBJECTS),
    dormant: join(dir, DORMANT),
    name: (name) => join(dir, checkedName(name)),
    object: (objectId) => join(dir, OBJECTS, checkedId(objectId)),
    mark: (address) => join(dir, DORMANT, `${encodeFileName(address)}.json`),
  };
}

/** What a name's symlink holds; relative, so that the state directory can be moved. */
export function linkTarget(objectId: string): string {
  return `${OBJECTS}/${checkedId(objectId)}`;
}

/** The object a name's symlink text stands for; undefined for a link that is not ours. */
export function objectIdOf(target: string): string | undefined {
  return LINK_TARGET.exec(target)?.[1];
}

function checkedName(name: string): string {
  if (isRuntimeName(name)) return name;
  throw refused(`${JSON.stringify(name)} cannot be the name of a local runtime`);
}

function checkedId(objectId: string): string {
  if (isObjectId(objectId)) return objectId;
  throw refused(`${JSON.stringify(objectId)} is not the id of a local runtime`);
}

function refused(message: string): SandkeepError {
  return new SandkeepError(message, {
    code: "LOCAL_NAME",
    hint: "names come from the plan; run `sandkeep plan` again",
  });
}
