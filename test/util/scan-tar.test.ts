import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytePath } from "../../src/util/byte-path.ts";
import { readTree } from "../../src/util/file-tree.ts";
import { FolderHandle } from "../../src/util/folder-handle.ts";
import { packEntries } from "../../src/util/pack-tree.ts";
import { readTar } from "../../src/util/read-tar.ts";
import { TarScan } from "../../src/util/scan-tar.ts";
import { TAR_END, tarHeader, tarPadding } from "../../src/util/tar-header.ts";

const FACTS = { mode: 0o644, mtime: 0, uid: 0, gid: 0 };

function scanned(archive: Buffer, cuts: readonly number[] = []): readonly string[] {
  const found: string[] = [];
  const scan = new TarScan(
    "a test",
    ({ path, kind, target }) => void found.push(`${kind} ${path} ${target}`),
  );
  const at = [0, ...cuts.map((cut) => cut % archive.length).toSorted((a, b) => a - b), archive.length];
  for (const [nth, from] of at.entries()) scan.write(archive.subarray(from, at[nth + 1] ?? archive.length));
  scan.end();
  return found;
}

const name = fc
  .string({ minLength: 1, maxLength: 130 })
  .map((text) => bytePath(text.replaceAll(/[\0/]/g, "_")));
const entry = fc.oneof(
  fc.record({ kind: fc.constant("file"), path: name, size: fc.nat(2000) }),
  fc.record({ kind: fc.constant("folder"), path: name, size: fc.constant(0) }),
  fc.record({ kind: fc.constant("link"), path: name, size: fc.constant(0), target: name }),
);

test("an archive that is read along tells the same entries, wherever its chunks end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(entry), fc.array(fc.nat()), async (entries, cuts) => {
      const archive = Buffer.concat([
        ...entries.flatMap((each) => [
          tarHeader({ ...FACTS, ...each }),
          Buffer.alloc(each.size, 65),
          tarPadding(each.size),
        ]),
        TAR_END,
      ]);
      const expected: string[] = [];
      for await (const { path, kind, target } of readTar(Readable.from([archive]), "a test"))
        expected.push(`${kind} ${path} ${target}`);
      expect(scanned(archive, cuts).map((line) => line.replace(/^(folder .*)\/ $/s, "$1 "))).toEqual(
        expected,
      );
    }),
  );
});

/** As tarHeader makes it, with another letter. */
function typed(letter: string, path: string, text = ""): Buffer {
  const head = tarHeader({ ...FACTS, kind: "file", path, size: Buffer.byteLength(text) });
  head.write(letter, 156, "latin1");
  head.fill(" ", 148, 156);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([head, Buffer.from(text), tarPadding(Buffer.byteLength(text))]);
}

const file = tarHeader({ ...FACTS, kind: "file", path: "a", size: 0 });
const HOSTILE: Readonly<Record<string, Buffer>> = {
  "is cut off in a header": file.subarray(0, 100),
  "has no end": file,
  "is cut off in a file": tarHeader({ ...FACTS, kind: "file", path: "a", size: 9000 }),
  "goes on after its end": Buffer.concat([TAR_END, file, TAR_END]),
  "goes on after half of its end": Buffer.concat([TAR_END.subarray(0, 512), file, TAR_END]),
  "names a sparse file's other name": Buffer.concat([
    typed("x", "p", "23 GNU.sparse.name=../x\n"),
    file,
    TAR_END,
  ]),
  "names all that follows": Buffer.concat([typed("g", "p", "11 path=../\n"), file, TAR_END]),
  "has a damaged text": Buffer.concat([typed("x", "p", "99 path=../\n"), file, TAR_END]),
  "has contents where there are none": Buffer.concat([typed("5", "folder", "text"), TAR_END]),
  "has a damaged header": Buffer.concat([Buffer.from(file).fill("z", 3, 4), TAR_END]),
};

test.each(Object.entries(HOSTILE))("an archive that %s is refused", (_what, archive) => {
  expect(() => scanned(archive)).toThrow(/the archive of a test cannot be read/);
});

test("what is packed is the files as they are then, and one that was written to meanwhile is told", async () => {
  const root = await mkdtemp(join(tmpdir(), "sandkeep-pack-"));
  try {
    await mkdir(join(root, "d"));
    const sizes = [0, 1, 511, 512, 513, 64 * 1024, 64 * 1024 + 1, 600 * 1024];
    for (const size of sizes) await writeFile(join(root, "d", String(size)), Buffer.alloc(size, 66));
    for (const each of ["grew", "shrank", "went"]) await writeFile(join(root, each), "as it was");
    const tree = await readTree(root);
    await writeFile(join(root, "grew"), "as it was, and more");
    await writeFile(join(root, "shrank"), "as");
    await rm(join(root, "went"));
    using folder = FolderHandle.open(root);
    const entries = [...tree].map(([path, each]) => ({ path, entry: each }));
    const told = new Map<string, boolean>();
    const packed = packEntries(folder, entries, "./", (path, { still }) => void told.set(path, still));
    const archive = await buffer(Readable.from(packed));
    const found = new Map<string, string>();
    for await (const { path, contents } of readTar(Readable.from([archive, TAR_END]), "a test"))
      found.set(path, (await buffer(Readable.from(contents))).toString());
    const expected = sizes.map((size) => [`./d/${size}`, "B".repeat(size)] as const);
    expect(found).toEqual(
      new Map([["./d", ""], ...expected, ["./grew", "as it was, and more"], ["./shrank", "as"]]),
    );
    expect([...told].filter(([, still]) => !still).map(([path]) => path)).toEqual(["grew", "shrank"]);
    expect(told.has("went")).toBe(false);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
