// Starts real sandkeep processes for the tests. Node 20 runs no TypeScript, so child.ts is compiled once a test file.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../..");

export interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Sends a command line and resolves with its answer. */
  ask(line: string): Promise<string>;
  kill(): Promise<void>;
}

export interface Children extends AsyncDisposable {
  start(...argv: readonly string[]): Child;
}

export async function compileChildren(): Promise<Children> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-child-"));
  const config = join(dir, "tsconfig.json");
  await writeFile(
    config,
    JSON.stringify({
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        rootDir: ROOT,
        outDir: join(dir, "out"),
        typeRoots: [join(ROOT, "node_modules/@types")],
      },
      files: [join(ROOT, "test/state/child.ts")],
      include: [],
    }),
  );
  await writeFile(join(dir, "package.json"), '{"type":"module"}');
  await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
  await promisify(execFile)(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config]);
  const children: Child[] = [];
  return {
    start(...argv) {
      const child = startChild(join(dir, "out/test/state/child.js"), argv);
      children.push(child);
      return child;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map((child) => child.kill()));
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function startChild(script: string, argv: readonly string[]): Child {
  const child = spawn(process.execPath, [script, ...argv], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let turn: Promise<unknown> = Promise.resolve();
  async function kill(): Promise<void> {
    child.kill("SIGKILL");
    await exited;
  }
  return {
    process: child,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      const answer = turn.then(() => lines.next());
      turn = answer;
      const { value, done } = await answer;
      if (done) throw new Error("the child ended before it answered");
      return value;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
