// A watch of the built CLI whose events are followed as they come.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { SandkeepEvent } from "../../src/model/event.ts";
import { eventSchema } from "../../src/model/event.ts";

const PATIENCE_MS = 50_000;

export interface WatchPlace {
  readonly main: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Ended, and waited for, when it is disposed. */
export class Watching implements AsyncDisposable {
  readonly events: SandkeepEvent[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor({ main, cwd, env }: WatchPlace, argv: readonly string[] = []) {
    const child = spawn(process.execPath, [main, "watch", "--json", ...argv], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.events.push(eventSchema.parse(JSON.parse(line)));
      for (const look of this.#waiting) look();
    });
  }

  /** The first event from `since` on that fits, whether it has come already or will. */
  async event(what: string, fits: (event: SandkeepEvent) => boolean, since = 0): Promise<SandkeepEvent> {
    return await new Promise((found, missed) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const timer = setTimeout(() => {
        end();
        const last = this.events.slice(-10).map((event) => JSON.stringify(event));
        missed(new Error(`${what} did not come; last were:\n${last.join("\n")}`));
      }, PATIENCE_MS);
      const look = (): void => {
        const event = this.events.slice(since).find((each) => fits(each));
        if (event === undefined) return;
        end();
        found(event);
      };
      this.#waiting.add(look);
      look();
    });
  }

  note(code: string, since = 0): Promise<SandkeepEvent> {
    return this.event(code, (event) => event.type === "note" && event.code === code, since);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    await once(this.#child, "close");
  }
}
