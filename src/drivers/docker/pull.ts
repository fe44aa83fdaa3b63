import { createInterface } from "node:readline";
import type { Engine } from "./client.ts";
import { dockerError } from "./errors.ts";
import { fullReference } from "./reference.ts";
import { registryAuth } from "./registry-auth.ts";
import { progressSchema } from "./wire.ts";

/** Longest silence of a pull before it is given up. */
const QUIET_MS = 300_000;

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
    throw dockerError(thrown, `pull image ${ref}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Sums the download of a pull's layers. */
class Layers {
  readonly #layers = new Map<string, { current: number; total: number }>();

  /** Throws the pull's own error, which the engine sends as a line of an answer that began well. */
  take(line: string, onProgress: Progress): void {
    if (line.trim() === "") return;
    const parsed = progressSchema.safeParse(JSON.parse(line));
    if (!parsed.success) return;
    const { status, id, error, progressDetail: detail } = parsed.data;
    if (error !== "") throw new Error(error);
    if (status === "Downloading" && detail !== null && detail !== undefined && detail.total > 0) {
      this.#layers.set(id, { current: detail.current, total: detail.total });
    }
    const known = this.#layers.get(id);
    if (known !== undefined && /^(?:Download complete|Pull complete)$/.test(status))
      known.current = known.total;
    onProgress(id === "" ? status : `${id}: ${status}`, this.#fraction());
  }

  #fraction(): number | null {
    let current = 0;
    let total = 0;
    for (const layer of this.#layers.values()) {
      current += layer.current;
      total += layer.total;
    }
    return total === 0 ? null : Math.min(1, current / total);
  }
}
