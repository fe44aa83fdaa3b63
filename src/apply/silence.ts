/** Engines that take calls and answer none: each further change would only wait out its time, and stop what runs. */
import { hasCode, SandkeepError } from "../errors.ts";
import { ENGINE_SILENT } from "../model/outcome-codes.ts";
import type { GraphNode } from "../model/plan.ts";
import { engineKey } from "../observe/engines.ts";

/** After so many steps in a row without an answer no further change is begun on an engine. */
const MOST = 3;

/** What an engine answers by itself. Others wait for a registry, for a command of the user's, or for files as well. */
const OWN: ReadonlySet<GraphNode["op"]> = new Set([
  "create",
  "start",
  "stop",
  "update",
  "rename",
  "remove",
  "forget",
  "mark",
  "network",
]);

export class Silences {
  /** By engine key: how many of the last steps. */
  readonly #unanswered = new Map<string, number>();

  answered(node: GraphNode): void {
    if (OWN.has(node.op)) this.#unanswered.delete(engineKey(node));
  }

  /**
   * A refusal is an answer as well; what went wrong on this side says nothing of the engine. A change counts once: what
   * takes it back fails of the same.
   */
  failed(node: GraphNode, thrown: unknown): void {
    if (!OWN.has(node.op) || node.compensates) return;
    if (!(thrown instanceof SandkeepError) || thrown.blame !== "backend") return;
    const engine = engineKey(node);
    const silent = thrown.kind === "unreachable" || thrown.code === "STEP_TIMEOUT";
    if (silent) this.#unanswered.set(engine, (this.#unanswered.get(engine) ?? 0) + 1);
    else this.answered(node);
  }

  isSilent(engine: string): boolean {
    return (this.#unanswered.get(engine) ?? 0) >= MOST;
  }
}

export function isSilence(thrown: unknown): boolean {
  return hasCode(thrown, ENGINE_SILENT);
}

export function silence(engine: string): SandkeepError {
  return new SandkeepError(`${engine} gave no answer to the changes before it`, {
    code: ENGINE_SILENT,
    kind: "unreachable",
    blame: "backend",
    hint: "see whether the engine is well, for instance in its log, and apply again",
  });
}
