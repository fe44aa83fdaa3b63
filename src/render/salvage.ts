import type { BundleExtract, BundleList, BundlePrune } from "../model/salvage-bundle.ts";
import type { Cell } from "./layout.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style } from "./style.ts";
import { showPath } from "./style.ts";
import { formatAge, roughBytes } from "./value.ts";

const heading = (...titles: string[]): Cell[] => titles.map((text) => ({ text, tone: "dim" }));

export function renderBundleList({ bundles, damaged }: BundleList, style: Style): string {
  const rows = bundles.map((each): Cell[] => [
    { text: each.id },
    { text: each.address },
    { text: formatAge(each.age_s) },
    { text: String(each.files) },
    { text: roughBytes(each.bytes) },
    { text: [each.why, ...(each.skipped === 0 ? [] : [`${each.skipped} left out`])].join("; ") },
  ]);
  const table =
    rows.length === 0
      ? paragraph(style, "There is no bundle.")
      : columns(style, [heading("ID", "ADDRESS", "AGE", "FILES", "SIZE", "WHY"), ...rows], 0);
  const broken = damaged.map((path) => `no whole bundle: ${showPath(style, path)}`);
  return joinBlocks([table, broken.flatMap((text) => paragraph(style, text, { tone: "warning" }))]);
}

export function renderBundleExtract(done: BundleExtract, style: Style): string {
  const { address, files, bytes, output, relinked, deleted } = done;
  const lines = [
    `${count(files, "file")} of ${address}, ${roughBytes(bytes)}, in ${showPath(style, output)}`,
    relinked.length === 0 ? "" : `${count(relinked.length, "link")} rewritten to stay inside`,
    deleted.length === 0 ? "" : `${count(deleted.length, "path")} of the image had been deleted`,
  ].filter((line) => line !== "");
  return joinBlocks([lines.flatMap((line) => paragraph(style, line))]);
}

const PRUNED = {
  removed: { text: "removed", tone: "good" },
  would_remove: { text: "would be removed", tone: "update" },
  kept: { text: "kept", tone: "dim" },
} as const satisfies Record<BundlePrune["bundles"][number]["status"], Cell>;

export function renderBundlePrune({ bundles }: BundlePrune, style: Style): string {
  const rows = bundles.map((each): Cell[] => [
    { text: each.id },
    { text: each.address },
    { text: formatAge(each.age_s) },
    { text: roughBytes(each.bytes) },
    PRUNED[each.status],
  ]);
  if (rows.length === 0) return joinBlocks([paragraph(style, "There is no bundle.")]);
  return joinBlocks([columns(style, [heading("ID", "ADDRESS", "AGE", "SIZE", "STATUS"), ...rows], 0)]);
}
