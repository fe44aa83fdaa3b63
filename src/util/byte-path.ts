import { textOfBytes } from "./shown-bytes.ts";

/**
 * Paths as Linux has them: bytes. A byte path is a text of one character (0 to 255) a byte, so that no name is mangled,
 * whatever its encoding. Relative ones have no leading slash; the empty one is the tree itself.
 */
export type BytePath = string;

export function bytesOf(path: BytePath): Buffer {
  return Buffer.from(path, "latin1");
}

export function bytePath(text: string): BytePath {
  return Buffer.from(text, "utf8").toString("latin1");
}

export function joinBytes(folder: BytePath, name: BytePath): BytePath {
  return folder === "" ? name : `${folder}/${name}`;
}

export function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export function isBelow(path: BytePath, folder: BytePath): boolean {
  return folder === "" ? path !== "" : path.startsWith(`${folder}/`);
}

/** The path as text; undefined where its bytes are no UTF-8. */
export function exactText(path: BytePath): string | undefined {
  const text = bytesOf(path).toString("utf8");
  return bytePath(text) === path ? text : undefined;
}

/** For people and patterns: the text, with `\xNN` for each byte that is none. */
export function pathText(path: BytePath): string {
  return textOfBytes(bytesOf(path));
}
