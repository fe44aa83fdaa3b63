/** In: a worker's answer of who it is, in the wire format of protocol buffers. Out: its id and what it builds for. Pure. */
import { fieldsOf } from "./wire.ts";

export interface WorkerFacts {
  readonly id: string;
  /** `linux/amd64`. */
  readonly platform: string;
}

/** Numbers of the fields of `ListWorkersResponse`, `WorkerRecord` and `Platform`. */
const RECORD = 1;
const WORKER = { id: 1, platforms: 3 } as const;
const PLATFORM = { architecture: 1, os: 2 } as const;

/** The first of them takes the builds; of its platforms the first is its own. Undefined where there is none. */
export function workerOf(answer: Buffer): WorkerFacts | undefined {
  const record = bytesOf(answer, RECORD);
  const own = record === undefined ? undefined : bytesOf(record, WORKER.platforms);
  if (record === undefined || own === undefined) return undefined;
  const text = (message: Buffer, wanted: number): string => bytesOf(message, wanted)?.toString() ?? "";
  const platform = `${text(own, PLATFORM.os)}/${text(own, PLATFORM.architecture)}`;
  return { id: text(record, WORKER.id), platform };
}

function bytesOf(message: Buffer, wanted: number): Buffer | undefined {
  for (const { number, value } of fieldsOf(message))
    if (number === wanted && Buffer.isBuffer(value)) return value;
  return undefined;
}
