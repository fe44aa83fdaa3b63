/** A runtime as its commands need to know it: its folders on the host, and how its manifest says that they run. */
import { posix } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { SshContext } from "./context.ts";
import { notFound, wholeLines } from "./errors.ts";
import type { Manifest } from "./manifest.ts";
import { readManifest } from "./manifest.ts";
import { ANSWER, OPEN } from "./scripts.ts";

export interface OpenRuntime {
  readonly user: string;
  /** The object's folder on the host. */
  readonly dir: string;
  /** Real folder behind the workspace target; undefined where it is gone. */
  readonly workspace: string | undefined;
  /** Whether the folder that was asked for is there. */
  readonly hasFolder: boolean;
  readonly hasBubblewrap: boolean;
  readonly manifest: Manifest | undefined;
}

/** `folder` is relative to the workspace, or absolute. */
export async function openRuntime(context: SshContext, objectId: string, folder = "."): Promise<OpenRuntime> {
  if (!/^[0-9a-f]{16}$/.test(objectId)) throw notFound(objectId);
  const result = await context.connection.script({ script: OPEN, args: [objectId, folder], reads: true });
  if (result.code === ANSWER.notFound) throw notFound(objectId);
  const lines = wholeLines(result, "read the runtime");
  const said = (kind: string): string | undefined =>
    lines.find((line) => line.startsWith(`${kind} `))?.slice(2);
  return {
    user: said("U") ?? "user",
    dir: said("D") ?? "",
    workspace: said("W"),
    hasFolder: said("C") === "yes",
    hasBubblewrap: said("B") === "yes",
    manifest: readManifest(said("M"), objectId),
  };
}

/** Undefined where a path of the runtime is not below the workspace. */
export function belowWorkspace(target: string, path: string): string | undefined {
  const inside = posix.relative(target, path);
  return inside === ".." || inside.startsWith("../") ? undefined : inside === "" ? "." : inside;
}

export function workspaceGone(): SandkeepError {
  return new SandkeepError("the runtime's workspace on the host is gone", {
    code: "SSH_WORKSPACE_MISSING",
    blame: "backend",
    hint: "bring the folder back, or run `sandkeep recreate` for its address: it is seeded again",
  });
}
