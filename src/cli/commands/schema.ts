import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { listWords, nearestWord } from "../../util/suggestion.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import type { Invocation } from "../invocation.ts";
import { write } from "../print.ts";
import { packageRoot } from "../version.ts";

const SUFFIX = ".schema.json";

export async function run({ args, streams }: Invocation): Promise<number> {
  const wanted = args[0] ?? "config";
  const folder = join(packageRoot(), "schemas");
  const names = (await readdir(folder))
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .toSorted();
  if (!names.includes(wanted)) {
    const near = nearestWord(wanted, names);
    throw usageError(
      `there is no schema ${JSON.stringify(wanted)}`,
      near === undefined ? `There are ${listWords(names)}.` : `Did you mean ${near}?`,
    );
  }
  await write(streams.stdout, await readFile(join(folder, wanted + SUFFIX), "utf8"));
  return EXIT.ok;
}
