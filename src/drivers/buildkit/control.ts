/** In: a connection. Out: what BuildKit answers on it. Calls of its control API that change nothing, without a client program. */
import { connect, constants } from "node:http2";
import { once } from "node:events";
import { TLSSocket } from "node:tls";
import type { Dialer } from "./dial.ts";
import { buildkitError, buildkitFailure } from "./errors.ts";
import type { UsageRecord } from "./usage.ts";
import { usageRecords } from "./usage.ts";
import type { WorkerFacts } from "./workers.ts";
import { workerOf } from "./workers.ts";

const ANSWER_TIMEOUT_MS = 10_000;
/** gRPC's frame of a message without fields. */
const EMPTY = Buffer.alloc(5);

/** Asks for the list of workers, which every version answers and which starts nothing. Throws where there is none. */
export async function askWorkers(dialer: Dialer): Promise<void> {
  await ask(dialer, "ListWorkers");
}

/** Who takes the builds. Throws where the answer names nobody. */
export async function askWorker(dialer: Dialer): Promise<WorkerFacts> {
  const worker = workerOf(await ask(dialer, "ListWorkers"));
  if (worker === undefined) throw buildkitFailure("ask the worker", "it names no worker with a platform");
  return worker;
}

/** What its cache holds, each record as in the answer. */
export async function askUsage(dialer: Dialer): Promise<readonly UsageRecord[]> {
  return usageRecords(await ask(dialer, "DiskUsage"));
}

/** The answer's message, without gRPC's frame. */
async function ask(dialer: Dialer, method: "ListWorkers" | "DiskUsage"): Promise<Buffer> {
  const socket = await dialer.dial();
  const session = connect("http://buildkit", { createConnection: () => socket });
  let failed: unknown;
  session.on("error", (error) => {
    failed = error;
  });
  try {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const call = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: `/moby.buildkit.v1.Control/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: string | undefined;
    let said = "";
    const note = (headers: Readonly<Record<string, unknown>>): void => {
      const { "grpc-status": code, "grpc-message": message } = headers;
      if (typeof code === "string" || typeof code === "number") status = `${code}`;
      if (typeof message === "string") said = message;
    };
    call.on("response", note);
    call.on("trailers", note);
    const chunks: Buffer[] = [];
    call.on("data", (chunk: Buffer) => chunks.push(chunk));
    call.end(EMPTY);
    await once(call, "end", { signal });
    if (status === undefined) {
      const over = socket instanceof TLSSocket ? ", as one does that takes no such certificate" : "";
      throw buildkitFailure(
        "ask the worker",
        `it closed the connection before it answered (ECONNRESET)${over}`,
      );
    }
    if (status !== "0") throw buildkitFailure("ask the worker", said === "" ? `gRPC status ${status}` : said);
    return Buffer.concat(chunks).subarray(EMPTY.length);
  } catch (thrown) {
    throw buildkitError("ask the worker", failed ?? thrown);
  } finally {
    session.destroy();
    socket.destroy();
  }
}
