import { Readable } from "node:stream";
import type { HeaderData } from "tar";
import { Header } from "tar";

export type ArchiveEntry = Partial<HeaderData> & { readonly path: string; readonly body?: string };

/** A tar stream with exactly these entries, however hostile. */
export function archive(...entries: readonly ArchiveEntry[]): Readable {
  const blocks: Buffer[] = [];
  for (const { body = "", ...entry } of entries) {
    const block = Buffer.alloc(512);
    new Header({
      mode: 0o644,
      type: "File",
      size: Buffer.byteLength(body),
      mtime: new Date(0),
      ...entry,
    }).encode(block, 0);
    const padded = Buffer.alloc(Math.ceil(Buffer.byteLength(body) / 512) * 512);
    padded.write(body);
    blocks.push(block, padded);
  }
  return Readable.from([Buffer.concat([...blocks, Buffer.alloc(1024)])]);
}
