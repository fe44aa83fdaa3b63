import { readFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import * as z from "zod";

/** `    at name (/path/program.cjs:12:345)`, with or without the name. */
const FRAME = /^\s+at (?:.*? \()?(\/.+?):(\d+):(\d+)\)?$/;

const mapSchema = z.object({
  file: z.string().default(""),
  version: z.number(),
  sources: z.array(z.string()),
  names: z.array(z.string()).default([]),
  mappings: z.string(),
});

/** Stack frames of a bundle in the words of its sources, where the map beside it tells them; others as they are. */
export async function inSources(frames: readonly string[]): Promise<readonly string[]> {
  const maps = new Map<string, Promise<SourceMap | undefined>>();
  const told = frames.map(async (frame) => {
    const [, path = "", line, column] = FRAME.exec(frame) ?? [];
    const map = maps.get(path) ?? readMap(path);
    maps.set(path, map);
    const entry = (await map)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !("originalSource" in entry)) return frame;
    const source = entry.originalSource.replace(/^(\.\.\/)+/, "");
    return `    at ${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
  return await Promise.all(told);
}

async function readMap(bundle: string): Promise<SourceMap | undefined> {
  if (!bundle.endsWith(".cjs")) return undefined;
  try {
    const map = mapSchema.parse(JSON.parse(await readFile(`${bundle}.map`, "utf8")));
    return new SourceMap({ ...map, sourcesContent: [], sourceRoot: "" });
  } catch {
    // None there, or none to be read: the frames are told as they are.
    return undefined;
  }
}
