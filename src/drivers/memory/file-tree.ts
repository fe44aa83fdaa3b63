import { posix } from "node:path";
import type { Readable } from "node:stream";
import { Readable as ReadableStream } from "node:stream";
import { bytePath } from "../../util/byte-path.ts";
import { TAR_END, tarHeader, tarPadding } from "../../util/tar-header.ts";
import { memoryError } from "./errors.ts";

export type TreeEntry =
  | { readonly type: "file"; readonly mode: number; readonly content: Buffer }
  | { readonly type: "directory"; readonly mode: number }
  | { readonly type: "link"; readonly target: string };

/** Files by path relative to a root, without leading slash; the root itself is "". */
export class FileTree {
  readonly entries = new Map<string, TreeEntry>();

  set(path: string, entry: TreeEntry): void {
    const clean = relative(path);
    for (let parent = posix.dirname(clean); parent !== "."; parent = posix.dirname(parent)) {
      if (!this.entries.has(parent)) this.entries.set(parent, { type: "directory", mode: 0o755 });
    }
    if (clean !== "") this.entries.set(clean, entry);
  }

  get(path: string): TreeEntry | undefined {
    const clean = relative(path);
    return clean === "" ? { type: "directory", mode: 0o755 } : this.entries.get(clean);
  }

  text(path: string): string | undefined {
    const entry = this.get(path);
    return entry?.type === "file" ? entry.content.toString() : undefined;
  }

  /** Unpacks a tar stream below a directory. Entries that would leave it are refused. */
  async unpack(directory: string, tar: Readable): Promise<void> {
    const { Parser } = await import("tar");
    const reading: Promise<void>[] = [];
    const parser = new Parser({
      strict: true,
      onReadEntry: (entry) => {
        const work = async (): Promise<void> => {
          const content = await entry.concat();
          const path = inside(directory, entry.path);
          const mode = (entry.mode ?? 0o644) & 0o7777;
          if (entry.type === "Directory") this.set(path, { type: "directory", mode });
          else if (entry.type === "SymbolicLink")
            this.set(path, { type: "link", target: entry.linkpath ?? "" });
          else this.set(path, { type: "file", mode, content });
        };
        reading.push(work());
      },
    });
    const ended = new Promise<void>((resolve, reject) => {
      parser.on("end", resolve);
      parser.on("error", reject);
    });
    for await (const chunk of tar) parser.write(chunk);
    parser.end();
    await ended;
    await Promise.all(reading);
  }

  /** A tar stream of one path with everything below it, named from `base` on, as an engine names them from the path's last part on. */
  async pack(path: string, base = posix.basename(path)): Promise<Readable> {
    const top = relative(path);
    if (this.get(top) === undefined) throw memoryError("not-found", `there is no file ${path}`);
    const blocks: Buffer[] = top === "" ? [...packEntry(base, { type: "directory", mode: 0o755 })] : [];
    for (const [name, entry] of [...this.entries].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (top !== "" && name !== top && !name.startsWith(`${top}/`)) continue;
      blocks.push(...packEntry(posix.join(base, posix.relative(top, name)), entry));
    }
    return ReadableStream.from([...blocks, TAR_END]);
  }
}

const KINDS = { file: "file", directory: "folder", link: "link" } as const;

function packEntry(path: string, entry: TreeEntry): readonly Buffer[] {
  const content = entry.type === "file" ? entry.content : Buffer.alloc(0);
  const head = tarHeader({
    path: bytePath(path),
    kind: KINDS[entry.type],
    mode: entry.type === "link" ? 0o777 : entry.mode,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: 0,
    ...(entry.type === "link" ? { target: bytePath(entry.target) } : {}),
  });
  return [head, content, tarPadding(content.length)];
}

function relative(path: string): string {
  const clean = posix.normalize(path).replace(/^\/+/, "").replace(/\/+$/, "");
  return clean === "." ? "" : clean;
}

function inside(directory: string, path: string): string {
  const joined = posix.join("/", directory, posix.join("/", path));
  return relative(joined);
}
