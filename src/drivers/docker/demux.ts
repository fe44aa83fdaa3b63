/** One piece of a command's output. */
export interface Frame {
  readonly stream: "stdout" | "stderr";
  readonly data: Buffer;
}

const HEADER = 8;
const STDERR = 2;

/**
 * Takes an attached stream without a terminal apart: frames of `[stream, 0, 0, 0, length ×4]` and their data.
 * Data is handed on as it comes, also when a frame is not complete yet, so that memory stays bounded.
 */
export class Demux {
  #header = Buffer.alloc(0);
  #stream: Frame["stream"] = "stdout";
  #left = 0;

  /** True in the middle of a frame: a stream that ends here was cut off. */
  get torn(): boolean {
    return this.#left > 0 || this.#header.length > 0;
  }

  *push(chunk: Buffer): Generator<Frame> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const wanted = HEADER - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
        rest = rest.subarray(wanted);
        if (this.#header.length < HEADER) return;
        this.#stream = this.#header.readUInt8(0) === STDERR ? "stderr" : "stdout";
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const data = rest.subarray(0, this.#left);
      this.#left -= data.length;
      rest = rest.subarray(data.length);
      yield { stream: this.#stream, data };
    }
  }
}
