import { posix } from "node:path";
import type { PlacedProgram, Program } from "../driver.ts";
import type { FileTree } from "./file-tree.ts";
import type { MemoryObject } from "./machine.ts";

const FOLDER = "/opt/programs";

export async function placeProgram(object: MemoryObject, program: Program): Promise<PlacedProgram> {
  const { id, name, content } = program;
  const folder = posix.join(FOLDER, id);
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(Buffer.from(chunk));
  const path = posix.join(folder, name);
  object.files.set(path, { type: "file", mode: 0o755, content: Buffer.concat(chunks) });
  return {
    path: folder,
    async [Symbol.asyncDispose]() {
      for (const each of [path, folder]) object.files.entries.delete(each.slice(1));
    },
  };
}

/** The lines of a placed program, which are commands; undefined where no folder of the PATH has it. */
export function programAt(
  files: (path: string) => { readonly tree: FileTree; readonly path: string },
  path: string | undefined,
  name: string,
): string | undefined {
  for (const folder of path?.split(":") ?? []) {
    const { tree, path: at } = files(posix.join(folder, name));
    const text = tree.text(at);
    if (text !== undefined) return text.replace(/^#!.*\n/, "").trim();
  }
  return undefined;
}
