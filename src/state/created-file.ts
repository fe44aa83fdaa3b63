import type { ProblemSink } from "./files.ts";
import { damaged, readText, writeText } from "./files.ts";
import { withMutex } from "./mutex.ts";

/** A small file that is written once and then only read; under a race all callers get the winner's text. */
export async function createdText(
  path: string,
  make: () => string,
  valid: (text: string) => boolean,
  onProblem: ProblemSink | undefined,
): Promise<string> {
  const before = await readText(path);
  if (before !== undefined && valid(before)) return before;
  return withMutex(path, async () => {
    const found = await readText(path);
    if (found !== undefined && valid(found)) return found;
    if (found !== undefined) await damaged(path, "quarantine", onProblem);
    const text = make();
    await writeText(path, text);
    return text;
  });
}
