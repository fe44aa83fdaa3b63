import { join } from "node:path";
import { encodeFileName } from "./file-name.ts";

/** Whose stage it is. */
export interface StageOwner {
  readonly fleet: string;
  readonly address: string;
}

export function fleetStages(stateDir: string, fleet: string): string {
  return join(stateDir, "stages", encodeFileName(fleet));
}

/** Folder of one runtime's stage. It belongs to the address: a runtime that replaces another one goes on with it. */
export function stageFolder(stateDir: string, { fleet, address }: StageOwner): string {
  return join(fleetStages(stateDir, fleet), encodeFileName(address));
}

/** What a runtime with staged writes has for a workspace: the agent's own copy. */
export function stageTree(stateDir: string, owner: StageOwner): string {
  return join(stageFolder(stateDir, owner), "tree");
}

/** Whether a folder is the stage of this runtime, in whichever state directory. */
export function isStageTree(path: string, { fleet, address }: StageOwner): boolean {
  return path.endsWith(stageTree("/", { fleet, address }));
}
