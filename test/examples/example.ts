import { execFile } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { cp, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "vitest";

export const ROOT = join(import.meta.dirname, "../..");
export const EXAMPLES = join(ROOT, "examples");
export const MAIN = join(ROOT, "dist/src/cli/main.cjs");

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A temporary copy of one example with a state directory of its own; nothing of either is left after disposal. */
export class Example implements AsyncDisposable {
  readonly root: string;
  readonly fleet: string;
  readonly state: string;
  readonly env: Readonly<Record<string, string | undefined>>;

  private constructor(root: string, env: Readonly<Record<string, string | undefined>>) {
    this.root = root;
    this.fleet = join(root, "fleet");
    this.state = join(root, "state");
    const own = Object.entries(process.env).filter(([name]) => !/^(?:SANDKEEP_|DOCKER_)/.test(name));
    this.env = { ...Object.fromEntries(own), NO_COLOR: "1", SANDKEEP_STATE_DIR: this.state, ...env };
  }

  static async of(name: string, env: Readonly<Record<string, string | undefined>> = {}): Promise<Example> {
    const example = new Example(await realpath(await mkdtemp(join(tmpdir(), "sandkeep-example-"))), env);
    await cp(join(EXAMPLES, name), example.fleet, { recursive: true });
    return example;
  }

  /** Replaces text in every config file. */
  rewrite(replace: (text: string) => string): void {
    for (const name of readdirSync(this.fleet, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".toml")) continue;
      const file = join(this.fleet, name);
      writeFileSync(file, replace(readFileSync(file, "utf8")));
    }
  }

  sandkeep(...args: readonly string[]): Promise<Ended> {
    return execute(process.execPath, [MAIN, ...args], { cwd: this.fleet, env: this.env });
  }

  /** The command's JSON answer; it must match the published schema. */
  async answer(schema: string, ...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
    const ended = await this.sandkeep(args[0] ?? "", "--json", ...args.slice(1));
    expect(ended.stdout, ended.stderr).not.toBe("");
    const document = JSON.parse(ended.stdout) as Readonly<Record<string, unknown>>;
    expectSchema(schema, document);
    return document;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function execute(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string | undefined>> },
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { ...options, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (child.exitCode ?? 128), stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** Holds against `schemas/<name>.schema.json` as it is published. */
export function expectSchema(name: string, document: unknown): void {
  const ajv = new Ajv2020({ validateFormats: false, allowUnionTypes: true });
  const validate = ajv.compile(JSON.parse(readFileSync(join(ROOT, `schemas/${name}.schema.json`), "utf8")));
  expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
}

/** A plan's text without what differs between machines: hashes cover absolute paths, and the engine's socket is a test's own. */
export function stable(text: string): string {
  return text
    .replaceAll(/sha256:[0-9a-f]{64}/g, "sha256:<hash>")
    .replaceAll(/docker:\/\/\/\S*\/docker\.sock/g, "docker://");
}
