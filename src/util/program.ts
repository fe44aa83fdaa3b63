/** Programs by name, found as a shell would. */
import { constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { isAccessible } from "./accessible.ts";

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Absolute path of a program; undefined when no folder of PATH holds it. */
export async function findProgram(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  for (const folder of (env["PATH"] ?? DEFAULT_PATH).split(delimiter)) {
    const candidate = join(folder, name);
    if (!isAbsolute(folder)) continue;
    if (await isAccessible(candidate, constants.X_OK)) return candidate;
  }
  return undefined;
}
