import { writeFile } from "node:fs/promises";
import { SandkeepError, toError } from "../errors.ts";

/** A file that a person asked for by name. What agents wrote may be in it, so that only its owner can read it. */
export async function writeOutput(path: string, contents: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, contents, { mode: 0o600 });
  } catch (cause) {
    throw new SandkeepError(`cannot write ${path}: ${toError(cause).message}`, {
      code: "OUTPUT_FILE",
      hint: "name a file in a folder that exists and can be written",
      cause,
    });
  }
}
