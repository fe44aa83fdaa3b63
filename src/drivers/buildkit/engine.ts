/** What a Docker Engine that a worker is in says of itself, by its own API. */
import { request } from "node:http";
import * as z from "zod";
import type { Dialer } from "./dial.ts";
import { buildkitError, buildkitFailure } from "./errors.ts";

const TIMEOUT_MS = 10_000;
const versionSchema = z.object({ ApiVersion: z.string().regex(/^\d+\.\d+$/) });

/** The newest version of its API, major and minor. */
export async function engineApi(dialer: Dialer): Promise<readonly [number, number]> {
  const { status, text } = await askEngine(dialer, "/version");
  const parsed = versionSchema.safeParse(status === 200 ? JSON.parse(text) : undefined);
  if (!parsed.success) throw buildkitFailure("ask the engine for its version", `it answered ${status}`);
  const [major = 0, minor = 0] = parsed.data.ApiVersion.split(".").map(Number);
  return [major, minor];
}

export async function askEngine(
  dialer: Dialer,
  path: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const socket = await dialer.engine();
  try {
    return await new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const sent = request(
        { path, signal, headers: { Host: "docker" }, createConnection: () => socket },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8");
          answer.on("data", (chunk: string) => (text += chunk));
          answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
          answer.on("error", reject);
        },
      );
      sent.on("error", reject);
      sent.end();
    });
  } catch (thrown) {
    throw buildkitError("ask the engine", thrown);
  } finally {
    socket.destroy();
  }
}
