import { createInterface } from "node:readline";
import type { Engine } from "./client.ts";
import { dockerError } from "./errors.ts";
import { fullReference } from "../../registry/reference.ts";
import { registryAuth } from "../../registry/auth.ts";
import { tryRead } from "./parts.ts";
import { readProgress } from "./wire.ts";

/** Longest silence of a pull before it is given up. */
const QUIET_MS = 300_000;

/** Other lines of a pull carry a tag or a repository here. */
const LAYER = /^[0-9a-f]{12}$/;

export type Progress = (message: string, fraction: number | null) => void;

export async function pull(
  engine: Engine,
  env: Readonly<Record<string, string | undefined>>,
  ref: string,
  onProgress: Progress,
): Promise<void> {
  const auth = await registryAuth(ref, env);
  const quiet = new AbortController();
  const timer = setTimeout(() => quiet.abort(), QUIET_MS);
  try {
    const stream = await engine.stream({
      what: `pull image ${ref}`,
      method: "POST",
      path: "/images/create",
      query: { fromImage: fullReference(ref) },
      timeout: QUIET_MS,
      signal: quiet.signal,
      ...(auth === undefined ? {} : { auth }),
    });
    const layers = new Layers();
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      timer.refresh();
      layers.take(line, onProgress);
    }
    if (quiet.signal.aborted) throw quiet.signal.reason;
  } catch (thrown) {
    throw dockerError(thrown, `pull image ${ref}`, engine.dialect.name);
  } finally {
    clearTimeout(timer);
  }
}

/** Counts a pull's layers and sums their download. */
class Layers {
  readonly #bytes = new Map<string, { current: number; total: number }>();
  /** Layer → whether it is there. */
  readonly #there = new Map<string, boolean>();

  /** Throws the pull's own error, which the engine sends as a line of an answer that began well. */
  take(line: string, onProgress: Progress): void {
    if (line.trim() === "") return;
    const told = tryRead(readProgress, JSON.parse(line));
    if (told === undefined) return;
    const { status, id, error, progressDetail: detail } = told;
    if (error !== "") throw new Error(error);
    if (!LAYER.test(id)) {
      onProgress(id === "" ? status : `${id}: ${status}`, this.#fraction());
      return;
    }
    if (status === "Downloading" && detail !== undefined && detail.total > 0) {
      this.#bytes.set(id, { current: detail.current, total: detail.total });
    }
    const known = this.#bytes.get(id);
    if (known !== undefined && /^(?:Download complete|Pull complete)$/.test(status))
      known.current = known.total;
    this.#there.set(id, /^(?:Pull complete|Already exists)$/.test(status));
    const there = [...this.#there.values()].filter(Boolean).length;
    onProgress(`${there}/${this.#there.size} layers, ${id}: ${status}`, this.#fraction());
  }

  #fraction(): number | null {
    let current = 0;
    let total = 0;
    for (const layer of this.#bytes.values()) {
      current += layer.current;
      total += layer.total;
    }
    return total === 0 ? null : Math.min(1, current / total);
  }
}
