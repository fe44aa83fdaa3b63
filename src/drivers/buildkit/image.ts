/** Which image commands run in, where the worker can tell: one inside a Docker Engine uses that engine's own images. */
import { request } from "node:http";
import * as z from "zod";
import type { ImageState } from "../driver.ts";
import type { Dialer } from "./dial.ts";
import { buildkitFailure } from "./errors.ts";

const imageSchema = z.object({ Id: z.string(), Os: z.string(), Architecture: z.string() });
const TIMEOUT_MS = 10_000;

export async function resolveImage(dialer: Dialer, ref: string): Promise<ImageState> {
  // A worker of its own asks the registry anew for each build.
  if (!dialer.inEngine) return { status: "absent" };
  const { status, text } = await get(dialer, `/images/${encodeURIComponent(ref)}/json`);
  if (status === 404) return { status: "absent" };
  const parsed = imageSchema.safeParse(status === 200 ? JSON.parse(text) : undefined);
  if (!parsed.success) throw buildkitFailure("look at the image", `the engine answered ${status}`);
  const { Id, Os, Architecture } = parsed.data;
  return {
    status: "present",
    image: { ref, kind: "config", digest: Id, platform: `${Os}/${Architecture}` },
  };
}

async function get(
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
  } finally {
    socket.destroy();
  }
}
