import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { type LoadedConfig, loadConfig } from "../../src/config/index.ts";
import { type Resolution, resolve } from "../../src/resolve/index.ts";
import { type PathFacts, pathFacts } from "../../src/util/path-facts.ts";

/** A real, empty folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "sandkeep-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface ResolvedText extends Resolution {
  readonly loaded: LoadedConfig;
  readonly facts: PathFacts;
}

/** Loads and resolves `sandkeep.toml` (and further files) in `<folder>/project`; the home is `<folder>/home`. */
export async function resolveText(
  text: string,
  folder = temporaryFolder(),
  files: Readonly<Record<string, string>> = {},
): Promise<ResolvedText> {
  const root = join(folder, "project");
  const home = join(folder, "home");
  for (const each of [root, home]) mkdirSync(each, { recursive: true });
  const head = 'version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\n';
  writeFileSync(join(root, "sandkeep.toml"), head + text);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  const result = await loadConfig({ cwd: root, backends: ["local", "docker", "podman", "buildkit"] });
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics, undefined, 2));
  const facts = pathFacts(root, home);
  return { loaded: result.loaded, facts, ...resolve(result.loaded, facts) };
}

/** Line of `text` in the file that `resolveText` writes. */
export function lineOf(text: string, part: string): number {
  const index = text.split("\n").findIndex((line) => line.includes(part));
  if (index < 0) throw new Error(`${part} is not in the text`);
  return index + 4;
}
