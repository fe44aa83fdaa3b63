import { createInterface } from "node:readline";
import { toError } from "../../errors.ts";
import { SandkeepError } from "../../errors.ts";
import type { ImageIdentity } from "../../model/spec.ts";
import type { ImageState } from "../driver.ts";
import type { Engine } from "./client.ts";
import { dockerError } from "./errors.ts";
import { findImage } from "./facts.ts";
import { platformOf } from "./observe.ts";
import { registryAuth } from "./registry-auth.ts";
import type { Image } from "./wire.ts";
import { progressSchema } from "./wire.ts";

/** Longest silence of a pull before it is given up. */
const QUIET_MS = 300_000;

type Progress = (message: string, fraction: number | null) => void;

/** What the engine has under this reference now. The registry is not asked: a present image is used as it is. */
export async function resolveImage(engine: Engine, ref: string): Promise<ImageState> {
  try {
    const image = await findImage(engine, ref);
    return image === undefined ? { status: "absent" } : { status: "present", image: identityOf(ref, image) };
  } catch (thrown) {
    return { status: "unknown", message: toError(thrown).message };
  }
}

/** The image's config digest, which is its id in the engine and that of every container made from it. */
function identityOf(ref: string, image: Image): ImageIdentity {
  return { ref, kind: "config", digest: image.Id, platform: platformOf(image) };
}

/** Pulls what the engine lacks, unless the policy forbids it. */
export async function fetchImage(
  engine: Engine,
  env: Readonly<Record<string, string | undefined>>,
  want: { readonly ref: string; readonly policy: string },
  onProgress: Progress,
): Promise<ImageIdentity> {
  const { ref, policy } = want;
  const present = await findImage(engine, ref);
  if (present !== undefined) return identityOf(ref, present);
  if (policy === "never") {
    throw new SandkeepError(
      `the engine does not have image ${ref}, and image_policy "never" forbids pulling it`,
      {
        code: "DOCKER_IMAGE_NOT_FOUND",
        hint: 'load or build the image on the engine\'s machine, or use image_policy = "missing"',
      },
    );
  }
  await pull(engine, env, ref, onProgress);
  const pulled = await findImage(engine, ref);
  if (pulled !== undefined) return identityOf(ref, pulled);
  throw new SandkeepError(`image ${ref} was pulled, but the engine does not have it`, {
    code: "DOCKER_IMAGE_NOT_FOUND",
    kind: "transient",
    blame: "backend",
    hint: "someone may have removed it at once; try again",
  });
}

async function pull(
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

/** Without a tag or digest the engine would pull every tag there is. */
export function fullReference(ref: string): string {
  const name = ref.slice(ref.lastIndexOf("/") + 1);
  return ref.includes("@") || name.includes(":") ? ref : `${ref}:latest`;
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
