import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const ROOT = join(import.meta.dirname, "../../..");
/** Longer than any time-out of a single call, also on a machine with much else to do: what takes more hangs. */
const HANG_MS = 180_000;

export interface Ran {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly hung: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly kill: () => void;
  readonly ended: Promise<Ran>;
}

/** A copy of the built CLI, so that a build which happens meanwhile changes nothing under its feet. */
export class BuiltCli implements AsyncDisposable {
  readonly #folder: string;
  readonly #children = new Set<ChildProcess>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async copy(): Promise<BuiltCli> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-built-")));
    await cp(join(ROOT, "dist"), join(folder, "dist"), { recursive: true });
    await cp(join(ROOT, "package.json"), join(folder, "package.json"));
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    return new BuiltCli(folder);
  }

  start(
    argv: readonly string[],
    { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  ): Running {
    const main = join(this.#folder, "dist/src/cli/main.cjs");
    const child = spawn(process.execPath, [main, ...argv], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#children.add(child);
    const kill = (): void => void child.kill("SIGKILL");
    return { kill, ended: this.#end(child, kill) };
  }

  async #end(child: ReturnType<typeof spawn>, kill: () => void): Promise<Ran> {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error("no pipes");
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      kill();
    }, HANG_MS);
    const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, "close")]);
    clearTimeout(timer);
    this.#children.delete(child);
    return { code: child.exitCode, hung, stdout: out, stderr: err };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Each in turn, also after one that failed. */
export async function disposeAll(...owned: readonly (AsyncDisposable | undefined)[]): Promise<void> {
  const [first, ...others] = owned;
  try {
    await first?.[Symbol.asyncDispose]();
  } finally {
    if (others.length > 0) await disposeAll(...others);
  }
}
