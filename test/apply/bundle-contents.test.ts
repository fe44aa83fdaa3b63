import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { writeContents } from "../../src/apply/bundle-contents.ts";
import { FileTree } from "../../src/drivers/memory/file-tree.ts";
import type { SalvageSource } from "../../src/drivers/driver.ts";
import { BUILT_IN } from "../../src/resolve/defaults.ts";
import { temporaryDirectory } from "../state/temporary.ts";

const SETTINGS = { ...BUILT_IN.salvage, when: "always" } as const;
const NEVER = new AbortController().signal;

function tree(files: number): FileTree {
  const made = new FileTree();
  for (let n = 0; n < files; n += 1) {
    const content = Buffer.alloc((n * 7919) % 90_000, `file ${n} `);
    made.set(`flat/${n}`, { type: "file", mode: 0o600 + (n % 8), content });
  }
  made.set("deep/a", { type: "file", mode: 0o644, content: Buffer.alloc(200_000, "a") });
  made.set("flat/link", { type: "link", target: "../deep" });
  return made;
}

const sourceOf = (of: FileTree, chunk?: (bytes: Buffer) => Buffer[]): SalvageSource => ({
  parts: ["/deep", "/flat"].map((path) => ({ path, take: "tree", without: [] })),
  deleted: [],
  open: async (path) => {
    const packed = await of.pack(path);
    if (chunk === undefined) return packed;
    const blocks: Buffer[] = [];
    for await (const each of packed) blocks.push(Buffer.from(each));
    return Readable.from(chunk(Buffer.concat(blocks)));
  },
});

it("writes every file whole, one after the other, however the stream is cut into chunks", async () => {
  const of = tree(60);
  const cuts = [undefined, (bytes: Buffer) => [bytes], (bytes: Buffer) => slices(bytes, 700)];
  for (const cut of cuts) {
    const file = join(await temporaryDirectory(), "files.tar");
    const done = await writeContents(file, sourceOf(of, cut), SETTINGS, NEVER);
    const written = await readFile(file);
    expect(done.tar).toEqual({
      bytes: written.length,
      sha256: createHash("sha256").update(written).digest("hex"),
    });
    const back = new FileTree();
    await back.unpack("/", Readable.from([written]));
    expect(listOf(back)).toEqual(listOf(of));
    expect(done).toMatchObject({ skipped: [], deleted: [], worthKeeping: true });
  }
});

it("does not take an archive that was cut off for a whole one", async () => {
  const of = tree(5);
  const cutOff = (bytes: Buffer): Buffer[] => [bytes.subarray(0, bytes.length - 1024)];
  const file = join(await temporaryDirectory(), "files.tar");
  await expect(writeContents(file, sourceOf(of, cutOff), SETTINGS, NEVER)).rejects.toMatchObject({
    code: "ARCHIVE_CUT",
    kind: "transient",
  });
});

function slices(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  );
}

/** Contents as digests: comparing megabytes byte by byte would take its time. */
function listOf(of: FileTree): readonly string[] {
  const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  return [...of.entries]
    .map(([path, entry]) =>
      JSON.stringify([path, entry.type === "file" ? [entry.mode, digest(entry.content)] : entry]),
    )
    .toSorted();
}
