import { createWriteStream } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { DEFAULT_PATH } from "../../util/program.ts";
import type { PlacedProgram, Program } from "../driver.ts";
import { openRuntime } from "./command.ts";
import type { LocalContext } from "./context.ts";
import { toLocalError } from "./errors.ts";

/** Into the runtime's own folder for passing files, which its commands see as `/tmp` where they are isolated. */
export async function placeProgram(
  context: LocalContext,
  objectId: string,
  { id, name, content }: Program,
): Promise<PlacedProgram> {
  const runtime = await openRuntime(context, objectId);
  const { isolation, env } = runtime.spec;
  const own = `.sandkeep-program-${id}`;
  const folder = join(runtime.tmp, own);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await pipeline(content, createWriteStream(join(folder, name), { flags: "wx", mode: 0o700 }));
    await chmod(join(folder, name), 0o700);
  } catch (thrown) {
    throw toLocalError(thrown, "place a program");
  }
  const seen = isolation === "none" ? folder : `/tmp/${own}`;
  return {
    path: `${seen}:${env["PATH"] ?? DEFAULT_PATH}`,
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}
