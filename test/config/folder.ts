import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Diagnostic } from "../../src/model/diagnostic.ts";

export const BACKENDS = ["local", "docker", "memory"];

/** The shortest config without diagnostics. */
export const MINIMAL = 'version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\n';

export type Files = Readonly<Record<string, string | Buffer>>;

/** Runs `body` in a new folder that holds `files`, and removes the folder whatever happens. */
export async function inFolder<T>(files: Files, body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-config-")));
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** `file:line:column severity code path: message | hint`, so that a test shows all that a person sees. */
export function lines(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map((each) => {
    const place = each.line === undefined ? `${each.file}` : `${each.file}:${each.line}:${each.column}`;
    return `${place} ${each.severity} ${each.code} ${each.path}: ${each.message} | ${each.hint}`;
  });
}

export function places(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map(({ line, column, code, path }) => `${line}:${column} ${code} ${path}`);
}
