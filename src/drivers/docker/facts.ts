import type { Engine } from "./client.ts";
import { isImageMissing } from "./errors.ts";
import type { Image, Info } from "./wire.ts";
import { readImage, readInfo, readVersion } from "./wire.ts";

/**
 * Milliseconds by this machine's clock for which what an engine said of itself is told on. One that was started anew since
 * may say something else, and after this machine slept the two clocks may differ by something else.
 */
const FRESH_MS = 10_000;
/** An answer that took longer, as the first over ssh does, tells the engine's clock too roughly to be told on. */
const PROMPT_MS = 1_000;

/** What an engine says of itself and of its images, asked once: an image's id never means anything else. */
export class EngineFacts {
  readonly #engine: Engine;
  readonly #now: () => number;
  readonly #images = new Map<string, Promise<Image | undefined>>();
  #info: Promise<Info> | undefined;
  #platform: Promise<string> | undefined;
  #skew = 0;
  #answered = -Infinity;

  /** `before` heard the same engine over another connection. */
  constructor(engine: Engine, now: () => number, before?: EngineFacts) {
    this.#engine = engine;
    this.#now = now;
    if (before === undefined || Math.abs(now() - before.#answered) > FRESH_MS) return;
    this.#info = before.#info;
    this.#skew = before.#skew;
    this.#answered = before.#answered;
  }

  async info(): Promise<Info> {
    this.#info ??= this.#ask();
    this.#info.catch(() => {
      this.#info = undefined;
    });
    return this.#info;
  }

  /** The engine's clock now, milliseconds since the epoch, so that another machine's clock cannot mislead. */
  async engineNow(): Promise<number> {
    await this.info();
    return this.#now() + this.#skew;
  }

  /** What the engine runs images for, `linux/amd64`. */
  async platform(): Promise<string> {
    this.#platform ??= this.#engine
      .json({ what: "ask the engine's version", method: "GET", path: "/version" }, readVersion)
      .then(({ Os, Arch }) => `${Os}/${Arch}`);
    this.#platform.catch(() => {
      this.#platform = undefined;
    });
    return this.#platform;
  }

  /** The image with this id; undefined when the engine no longer has it. */
  async image(id: string): Promise<Image | undefined> {
    const known = this.#images.get(id);
    if (known !== undefined) return known;
    const asked = findImage(this.#engine, id);
    this.#images.set(id, asked);
    // Only a found image is worth remembering.
    asked
      .then((image) => (image === undefined ? this.#images.delete(id) : true))
      .catch(() => this.#images.delete(id));
    return asked;
  }

  async #ask(): Promise<Info> {
    const asked = this.#now();
    const info = await this.#engine.json({ what: "ask the engine", method: "GET", path: "/info" }, readInfo);
    const engineTime = Date.parse(info.SystemTime);
    const answered = this.#now();
    if (!Number.isNaN(engineTime)) this.#skew = engineTime - (asked + answered) / 2;
    if (answered - asked <= PROMPT_MS) this.#answered = answered;
    return info;
  }
}

/** An image by reference or id; undefined when the engine does not have it. */
export async function findImage(engine: Engine, ref: string): Promise<Image | undefined> {
  try {
    return await engine.reads.add(() =>
      engine.json(
        { what: `inspect image ${ref}`, method: "GET", path: `/images/${encodeImage(ref)}/json` },
        readImage,
      ),
    );
  } catch (thrown) {
    if (isImageMissing(thrown)) return undefined;
    throw thrown;
  }
}

/** Slashes are part of the path of an image's name. */
function encodeImage(ref: string): string {
  return ref.split("/").map(encodeURIComponent).join("/");
}
