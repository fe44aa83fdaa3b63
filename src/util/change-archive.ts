/** In: a change of a canonical workspace. Out: the archive by which the script that carries it out is told of it. */
import { createHash } from "node:crypto";
import type { BytePath } from "./byte-path.ts";
import { bytesOf } from "./byte-path.ts";
import type { WorkspaceChange, WorkspaceEntry } from "./open-workspace.ts";
import { SYNC_FOLDER } from "./open-workspace.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar-header.ts";

export async function* archiveOf(change: WorkspaceChange): AsyncGenerator<Buffer> {
  const none = { mtime: 0, uid: 0, gid: 0 };
  const folder = (path: string): Buffer => tarHeader({ path, kind: "folder", mode: 0o700, size: 0, ...none });
  const file = (name: string, text: BytePath): Buffer => {
    const bytes = bytesOf(text);
    const path = `${SYNC_FOLDER}/${name}`;
    const head = tarHeader({ path, kind: "file", mode: 0o600, size: bytes.length, ...none });
    return Buffer.concat([head, bytes, tarPadding(bytes.length)]);
  };
  yield folder(SYNC_FOLDER);
  for (const [name, text] of expectations(change)) yield file(name, text);
  yield file("delete", words(change.deleted.map(here)));
  yield file("folders", words(change.deletedFolders.map(here)));
  yield file("closed", words(change.closed.map(here)));
  yield file(
    "modes",
    words(change.modes.flatMap(([path, mode]) => [mode.toString(8).padStart(5, "0"), here(path)])),
  );
  yield folder(`${SYNC_FOLDER}/new`);
  yield* change.contents(`${SYNC_FOLDER}/new/`);
  yield file("whole", "");
  yield TAR_END;
}

const here = (path: BytePath): BytePath => `./${path}`;
const words = (texts: readonly BytePath[]): BytePath => texts.map((each) => `${each}\0`).join("");

/** One sum stands for all signs. Where the place gives none, contents are read again. */
function expectations({ expected }: WorkspaceChange): readonly (readonly [string, BytePath])[] {
  const absent: BytePath[] = [];
  const signed: BytePath[] = [];
  const plain: BytePath[] = [];
  const signs = createHash("sha256");
  for (const [path, entry] of expected) {
    if (entry === undefined) absent.push(here(path));
    else if (entry.sign === "") plain.push(plainSign(entry), here(path));
    else {
      signed.push(here(path));
      signs.update(`${entry.sign}\0`);
    }
  }
  return [
    ["absent", words(absent)],
    ["signed", words(signed)],
    ["signs", signs.digest("hex")],
    ["plain", words(plain)],
  ];
}

function plainSign({ kind, sha256, target = "" }: WorkspaceEntry): BytePath {
  // A shell takes the newlines at the end for none.
  if (kind === "link") return `l${target.replace(/\n+$/, "")}`;
  return kind === "file" ? `f${sha256}` : kind === "folder" ? "d" : "o";
}
