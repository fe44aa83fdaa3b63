/** Engines that take calls and answer none: each further change would only wait out its time, and stop what runs. */
import { SandkeepError } from "../errors.ts";

/** After so many steps in a row without an answer no further change is begun on an engine. */
const MOST = 3;

export class Silences {
  /** By engine key: how many of the last steps. */
  readonly #unanswered = new Map<string, number>();

  answered(engine: string): void {
    this.#unanswered.delete(engine);
  }

  /** A refusal is an answer as well; what went wrong on this side says nothing of the engine. */
  failed(engine: string, thrown: unknown): void {
    if (!(thrown instanceof SandkeepError) || thrown.blame !== "backend") return;
    const silent = thrown.kind === "unreachable" || thrown.code === "STEP_TIMEOUT";
    if (silent) this.#unanswered.set(engine, (this.#unanswered.get(engine) ?? 0) + 1);
    else this.answered(engine);
  }

  isSilent(engine: string): boolean {
    return (this.#unanswered.get(engine) ?? 0) >= MOST;
  }
}

export function silence(engine: string): SandkeepError {
  return new SandkeepError(`${engine} gave no answer to the changes before it`, {
    code: "ENGINE_SILENT",
    kind: "unreachable",
    blame: "backend",
    hint: "see whether the engine is well, for instance in its log, and apply again",
  });
}
