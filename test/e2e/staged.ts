import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Project } from "./cli.ts";

/** A file of the workspace. */
export function read(project: Project, name: string): Promise<string> {
  return readFile(join(project.root, name), "utf8");
}

/** What `stage diff` tells, a change a line. */
export async function pathsOf(project: Project, ...more: readonly string[]): Promise<string[]> {
  const { changes } = await project.json("stage", "diff", ...more);
  return (changes as { change: string; path: string }[]).map(({ change, path }) => `${change} ${path}`);
}
