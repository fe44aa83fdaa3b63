import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Programs of engines, by the last part of their argv[0]: none may have the value in its environment. `docker-init` and
 * `podman-init` are the engines' own PID 1 above a main program, begun with what the engine keeps of a container.
 */
export const ENGINES: readonly string[] = [
  "dockerd",
  "docker-init",
  "docker-proxy",
  "containerd",
  "containerd-shim",
  "containerd-shim-runc-v2",
  "podman",
  "podman-init",
  "catatonit",
  "conmon",
  "runc",
  "crun",
  "bwrap",
];

/** One value that nobody else has: where it was written or said, and what process showed it meanwhile. */
export class Search implements AsyncDisposable {
  readonly value = `canary-${randomBytes(9).toString("hex")}`;
  readonly #spellings = [this.value, Buffer.from(this.value).toString("base64").replace(/=+$/, "")];
  readonly #found = new Set<string>();
  readonly #stop = new AbortController();
  readonly #watching = this.#watch();

  note(where: string, said: string | Buffer): void {
    if (this.#spellings.some((each) => said.includes(each))) this.#found.add(where);
  }

  /** Every file below `folder` but those that `except` takes out by their path. */
  async below(folder: string, except: (path: string) => boolean): Promise<void> {
    // An engine takes its own away meanwhile, also folders.
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const each of entries) {
      const path = join(folder, each.name);
      if (except(path)) continue;
      if (each.isDirectory()) await this.below(path, except);
      else if (each.isFile()) this.note(path, await readFile(path).catch(() => ""));
    }
  }

  /** Where it was found by now, while the search goes on. */
  get places(): readonly string[] {
    return [...this.#found];
  }

  /** Where it was found; empty as it should be. */
  async found(): Promise<string[]> {
    this.#stop.abort();
    await this.#watching;
    return [...this.#found];
  }

  /** No argv may hold it, and of engines no environment either. */
  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const pid of readdirSync("/proc")) {
        if (!/^\d+$/.test(pid)) continue;
        const argv = ofProcess(pid, "cmdline");
        const told = argv.replaceAll("\0", " ").trim();
        this.note(`argv of ${told}`, argv);
        if (!ENGINES.includes(basename(argv.split("\0")[0] ?? ""))) continue;
        const environ = ofProcess(pid, "environ");
        // A runtime's own process becomes the command, whose environment has it rightly.
        if (ofProcess(pid, "cmdline") === argv) this.note(`environ of ${told}`, environ);
      }
      await sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}

/** At once: a round that waits for each of some hundred files misses what lives shorter than the round. */
function ofProcess(pid: string, name: "cmdline" | "environ"): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}
