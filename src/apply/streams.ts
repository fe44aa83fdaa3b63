import { Writable } from "node:stream";

/** Takes everything and keeps nothing. */
export function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** Keeps the last bytes written, for an error message. */
export function tail(limit: number): Writable & { text(): string } {
  let kept = Buffer.alloc(0);
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const all = Buffer.concat([kept, chunk]);
      kept = all.subarray(Math.max(0, all.length - limit));
      done();
    },
  });
  return Object.assign(stream, { text: () => kept.toString("utf8") });
}
