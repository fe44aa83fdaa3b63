// Of a canonical workspace: what the driver tells of it, and that a change of it is whole or not at all.
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Driver } from "../../src/drivers/driver.ts";
import type { BytePath } from "../../src/util/byte-path.ts";
import { bytePath } from "../../src/util/byte-path.ts";
import type { OpenWorkspace, WorkspaceChange, WorkspaceTree } from "../../src/util/open-workspace.ts";
import { readTar } from "../../src/util/read-tar.ts";
import { plainPath } from "../../src/util/script-workspace.ts";
import type { TarHead } from "../../src/util/tar-header.ts";
import { TAR_END, tarHeader, tarPadding } from "../../src/util/tar-header.ts";
import type { ContractHarness } from "./harness.ts";
import { Fleet } from "./harness.ts";

type Made = Partial<TarHead> & { readonly path: string; readonly text?: string };

function archiveOf(entries: readonly Made[], prefix = ""): Buffer {
  return Buffer.concat(
    entries.flatMap(({ text = "", ...head }) => {
      const bytes = Buffer.from(text);
      const kind = head.kind ?? "file";
      const mode = kind === "folder" ? 0o755 : 0o644;
      const facts = { mode, mtime: 1_700_000_000, uid: 0, gid: 0, kind, ...head };
      return [
        tarHeader({ ...facts, path: bytePath(prefix + head.path), size: bytes.length }),
        bytes,
        tarPadding(bytes.length),
      ];
    }),
  );
}

function change(entries: readonly Made[], rest: Partial<WorkspaceChange> = {}): WorkspaceChange {
  return {
    expected: [],
    deleted: [],
    deletedFolders: [],
    closed: [],
    modes: [],
    async *contents(prefix) {
      yield archiveOf(entries, prefix);
    },
    ...rest,
  };
}

function lines(tree: WorkspaceTree): readonly string[] {
  return [...tree]
    .map(([path, { kind, mode, size, target }]) =>
      [kind, kind === "link" ? "" : mode.toString(8), size, JSON.stringify(path), target ?? ""]
        .join(" ")
        .trim(),
    )
    .toSorted();
}

async function list(open: OpenWorkspace): Promise<readonly string[]> {
  return lines(await open.list(() => undefined));
}

const ODD = "line\nbreak 'quoted' -n \\ *";

const SAMPLE: readonly Made[] = [
  { path: "-dash", text: "a" },
  { path: "deep", kind: "folder", mode: 0o750 },
  { path: `deep/${"n".repeat(120)}`, kind: "folder" },
  { path: `deep/${"n".repeat(120)}/file`, text: "long name\n" },
  { path: "empty", kind: "folder" },
  { path: "link", kind: "link", target: "deep" },
  { path: ODD, text: "odd", mode: 0o755 },
  { path: "übung", text: "text" },
];

export function describeWorkspaceContract(title: string, makeHarness: () => Promise<ContractHarness>): void {
  describe(title, () => {
    let harness: ContractHarness;
    let driver: Driver;
    beforeAll(async () => {
      harness = await makeHarness();
      driver = await harness.module.open(harness.host, harness.deps);
    });
    afterAll(async () => {
      await driver?.[Symbol.asyncDispose]();
      await harness?.[Symbol.asyncDispose]();
    });

    async function opened(objectId: string): Promise<OpenWorkspace> {
      const open = await driver.openWorkspace?.(objectId);
      if (open === undefined) throw new Error("this driver opens no workspaces");
      return open;
    }

    async function filled(fleet: Fleet): Promise<string> {
      const { objectId } = await fleet.run("a", { access: "rw" });
      const tar = Buffer.concat([archiveOf(SAMPLE), TAR_END]);
      await driver.putFiles(objectId, "/workspace", Readable.from([tar]));
      return objectId;
    }

    it("tells all that lies in it: kinds, permissions, sizes, hashes, links and odd names", async () => {
      await using fleet = new Fleet(harness, driver);
      await using open = await opened(await filled(fleet));
      const tree = await open.list(() => undefined);
      const expected = SAMPLE.map(({ path, text = "", kind = "file", mode, target }) =>
        [
          kind,
          kind === "link" ? "" : (mode ?? (kind === "folder" ? 0o755 : 0o644)).toString(8),
          Buffer.byteLength(text),
          JSON.stringify(bytePath(path)),
          target ?? "",
        ]
          .join(" ")
          .trim(),
      );
      expect(lines(tree)).toEqual(expected.toSorted());
      expect(tree.get("-dash")?.sha256).toBe(
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
      );
      const again = await open.list((path) => (path === "-dash" ? "known" : undefined));
      const sign = tree.get("-dash")?.sign ?? "";
      expect(again.get("-dash")).toMatchObject({
        sha256: sign === "" ? tree.get("-dash")?.sha256 : "known",
        sign,
      });
    });

    it("hands out the contents of what is asked for", async () => {
      await using fleet = new Fleet(harness, driver);
      await using open = await opened(await filled(fleet));
      const wanted = [bytePath(ODD), bytePath("übung")];
      const found = new Map<BytePath, string>();
      for await (const { path, contents } of readTar(await open.read(wanted), "the workspace")) {
        if (wanted.includes(plainPath(path)))
          found.set(plainPath(path), (await buffer(Readable.from(contents))).toString());
      }
      expect([...found.values()].toSorted()).toEqual(["odd", "text"]);
    });

    it("carries a change out: replaced, added, deleted, file and folder in each other's place, permissions", async () => {
      await using fleet = new Fleet(harness, driver);
      await using open = await opened(await filled(fleet));
      const name = `deep/${"n".repeat(120)}`;
      const known = await open.list(() => undefined);
      const touched = [
        "-dash",
        "empty",
        "link",
        "link/in",
        "new",
        `${name}/file`,
        name,
        bytePath(ODD),
        "deep",
      ];
      const made = change(
        [
          { path: "-dash", text: "another", mode: 0o700 },
          { path: "empty", kind: "link", target: "nowhere" },
          { path: "link", kind: "folder" },
          { path: "link/in", text: "was a link" },
          { path: "new", kind: "folder", mode: 0o700 },
          { path: "new/one two", text: "12" },
          { path: "new/none", kind: "folder" },
        ],
        {
          deleted: [`${name}/file`, "link", bytePath(ODD), "not there"].map((each) => each),
          deletedFolders: [name, "empty"],
          modes: [["deep", 0o711]],
          expected: touched.map((path) => [path, known.get(path)]),
        },
      );
      await open.write(made);
      expect(await list(open)).toEqual(
        [
          'file 700 7 "-dash"',
          'folder 711 0 "deep"',
          'link  0 "empty" nowhere',
          'folder 755 0 "link"',
          'file 644 10 "link/in"',
          'folder 700 0 "new"',
          'folder 755 0 "new/none"',
          'file 644 2 "new/one two"',
          `file 644 4 ${JSON.stringify(bytePath("übung"))}`,
        ].toSorted(),
      );
    });

    it("changes nothing when what it is told breaks off", async () => {
      await using fleet = new Fleet(harness, driver);
      await using open = await opened(await filled(fleet));
      const before = await list(open);
      const broken = change([], {
        deleted: ["-dash"],
        async *contents(prefix) {
          yield archiveOf([{ path: "half", text: "x".repeat(5000) }], prefix).subarray(0, 1024);
          throw new Error("the disk went away");
        },
      });
      await expect(open.write(broken)).rejects.toThrow("the disk went away");
      expect(await list(open)).toEqual(before);
    });

    it.each([
      ["rewritten", [{ path: "-dash", text: "A" }], "-dash"],
      ["put in a folder's place", [{ path: "empty", text: "a file now" }], "empty"],
      ["made where nothing was", [{ path: "new", text: "there first" }], "new"],
    ] as const)("changes nothing where something was %s since it was listed", async (_what, made, path) => {
      await using fleet = new Fleet(harness, driver);
      const objectId = await filled(fleet);
      await using open = await opened(objectId);
      const known = await open.list(() => undefined);
      if (known.get(path)?.kind === "folder")
        await open.write(change([], { deletedFolders: [path], expected: [[path, known.get(path)]] }));
      const tar = Buffer.concat([archiveOf(made), TAR_END]);
      await driver.putFiles(objectId, "/workspace", Readable.from([tar]));
      const before = await open.list(() => undefined);
      const late = change([{ path: "late", text: "late" }], {
        deleted: [path],
        expected: [
          ["late", undefined],
          ["link", known.get("link")],
          [path, known.get(path)],
        ],
      });
      await expect(open.write(late)).rejects.toMatchObject({ code: "WORKSPACE_CHANGED", exitCode: 75 });
      expect(await open.list(() => undefined)).toEqual(before);
    });

    it("is one's own as long as it is open", async () => {
      await using fleet = new Fleet(harness, driver);
      const objectId = await filled(fleet);
      {
        await using _mine = await opened(objectId);
        await expect(opened(objectId)).rejects.toMatchObject({ kind: "transient" });
      }
      await using later = await opened(objectId);
      expect((await list(later)).length).toBe(SAMPLE.length);
    });
  });
}
