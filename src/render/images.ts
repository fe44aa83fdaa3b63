import type {
  CheckedImage,
  ImageCheck,
  ImageList,
  ImageLock,
  ImagePrune,
  LockedImage,
} from "../model/images.ts";
import type { PrunedImage } from "../model/images.ts";
import { usersOfImage } from "../model/images.ts";
import type { Cell } from "./layout.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { showEngine } from "./style.ts";

const NONE: Cell = { text: "-", tone: "dim" };
/** Enough of a digest to tell two apart by eye. */
const SHOWN = 12;

function digest(text: string | null): Cell {
  return text === null ? NONE : { text: text.replace(/^sha256:/, "").slice(0, SHOWN) };
}

const heading = (...titles: string[]): Cell[] => titles.map((text) => ({ text, tone: "dim" }));

function table(style: Style, head: Cell[], rows: readonly Cell[][], empty: string): string[] {
  return rows.length === 0 ? paragraph(style, empty) : columns(style, [head, ...rows], 0);
}

const STATES = { present: "good", absent: "warning", unknown: "alarm" } as const satisfies Record<
  ImageList["images"][number]["state"],
  Tone
>;

export function renderImageList({ images }: ImageList, style: Style): string {
  const rows = images.map((each): Cell[] => [
    { text: each.ref },
    { text: each.policy },
    { text: each.state, tone: STATES[each.state] },
    digest(each.digest),
    digest(each.locked),
    { text: showEngine(each.backend, each.host) },
    { text: each.message ?? usersOfImage(each) },
  ]);
  const head = heading("IMAGE", "POLICY", "STATE", "DIGEST", "LOCKED", "ENGINE", "FOR");
  return joinBlocks([table(style, head, rows, "No runtime of this fleet is made from an image.")]);
}

const LOCK_TONES = {
  added: "good",
  changed: "update",
  unchanged: "dim",
  removed: "warning",
  failed: "alarm",
} as const satisfies Record<LockedImage["status"], Tone>;

export function renderImageLock(lock: ImageLock, style: Style): string {
  const arrow = style.unicode ? "→" : "->";
  const rows = lock.images.map((each): Cell[] => {
    const [before, after] = [digest(each.before).text, digest(each.after).text];
    return [
      { text: each.ref },
      { text: each.platform },
      { text: each.status, tone: LOCK_TONES[each.status] },
      { text: before === after ? before : `${before} ${arrow} ${after}` },
      { text: each.message ?? "" },
    ];
  });
  const head = heading("IMAGE", "PLATFORM", "STATUS", "DIGEST", "");
  const written = lock.written ? `${lock.file} is written; commit it.` : `${lock.file} is as it was.`;
  return joinBlocks([table(style, head, rows, "No image is pinned."), paragraph(style, written)]);
}

const CHECK_TONES = {
  current: "good",
  moved: "update",
  absent: "dim",
  unlocked: "warning",
  unknown: "alarm",
  unasked: "dim",
} as const satisfies Record<CheckedImage["status"], Tone>;

export function renderImageCheck({ images }: ImageCheck, style: Style): string {
  const rows = images.map((each): Cell[] => [
    { text: each.ref },
    { text: each.policy },
    { text: each.status, tone: CHECK_TONES[each.status] },
    digest(each.here),
    digest(each.registry),
    { text: each.why },
  ]);
  const moved = images.filter((each) => each.status === "moved").length;
  const head = heading("IMAGE", "POLICY", "STATUS", "HERE", "REGISTRY", "");
  const words = moved === 0 ? "No tag is known to have moved." : `${count(moved, "tag")} moved.`;
  return joinBlocks([
    table(style, head, rows, "No runtime of this fleet is made from an image."),
    paragraph(style, words),
  ]);
}

const PRUNE_WORDS = {
  removed: { text: "removed", tone: "good" },
  would_remove: { text: "would be removed", tone: "update" },
  kept: { text: "kept", tone: "dim" },
  failed: { text: "FAILED", tone: "alarm" },
} as const satisfies Record<PrunedImage["status"], Cell>;

export function renderImagePrune({ images }: ImagePrune, style: Style): string {
  const rows = images.map((each): Cell[] => [
    { text: each.refs.join(", ") },
    digest(each.image_id),
    PRUNE_WORDS[each.status],
    { text: each.why },
  ]);
  const head = heading("IMAGE", "ID", "STATUS", "WHY");
  return joinBlocks([table(style, head, rows, "sandkeep pulled no image that is still there.")]);
}
