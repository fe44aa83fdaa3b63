import { Writable } from "node:stream";
import type { StreamMask } from "../util/secret-mask.ts";
import type { LogFile } from "./log-file.ts";

/**
 * Hands a command's output on as it is, and writes it down with secrets masked. A reader that goes away closes it, as a
 * broken pipe does; a log that cannot be written does not.
 */
export function tee(reader: Writable, log: LogFile, mask: StreamMask): Writable {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.append(mask.push(chunk));
      const taken = (): void => void afterwards(log.room, done);
      // Its callback also comes when the reader fails.
      if (reader.destroyed || reader.writableEnded) taken();
      else reader.write(chunk, taken);
    },
    final(done) {
      leave();
      log.append(mask.end());
      done();
    },
    destroy(error, done) {
      leave();
      log.append(mask.end());
      done(error);
    },
  });
  const gone = (): void => void stream.destroy();
  const leave = (): void => {
    reader.off("error", gone);
    reader.off("close", gone);
  };
  reader.once("error", gone);
  reader.once("close", gone);
  return stream;
}

async function afterwards(wait: Promise<void> | undefined, done: () => void): Promise<void> {
  if (wait !== undefined) await wait;
  done();
}

/** Everything written has been handed on; also when the stream was closed before. */
export async function ended(stream: Writable): Promise<void> {
  if (stream.destroyed) return;
  await new Promise<void>((resolve) => {
    stream.once("close", resolve);
    stream.end();
  });
}
