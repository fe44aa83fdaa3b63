import type { Bundled, BundleVerification } from "../model/bundle.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style } from "./style.ts";
import { showPath } from "./style.ts";
import { formatSize } from "./value.ts";

export function renderBundle(made: Bundled, style: Style): string {
  const files = made.artifact_metadata.filter(({ kind }) => kind === "file");
  const bytes = files.reduce((sum, each) => sum + each.bytes, 0);
  return joinBlocks([
    paragraph(
      style,
      `${showPath(style, made.bundle)}: ${count(files.length, "file")}, ${formatSize(bytes)}`,
      {
        tone: "strong",
      },
    ),
    made.notes.flatMap((note) => paragraph(style, `left out: ${note}`, { tone: "warning", hang: 2 })),
    made.verification === null ? [] : renderVerification(made.verification, style).trimEnd().split("\n"),
  ]);
}

export function renderVerification(verification: BundleVerification, style: Style): string {
  const { ok, checked, issues, unexpected_artifacts: extra, strict, version_check } = verification;
  const verdict = ok
    ? `As it was made: ${count(checked, "file or folder", "files and folders")} checked.`
    : "Not as it was made.";
  const version = version_check.ok
    ? []
    : paragraph(
        style,
        `its version is ${version_check.found ?? "not told"}, and this sandkeep reads ${version_check.supported.join(", ")}`,
        { tone: "error" },
      );
  const rows = issues.map(({ path, field, expected, found }) => [
    { text: path === "" ? "(bundle)" : path },
    { text: field, tone: "error" as const },
    { text: `expected ${expected ?? "nothing"}, found ${found ?? "nothing"}` },
  ]);
  const unexpected = extra.map((path) => [
    { text: path },
    { text: "unexpected", tone: strict ? ("error" as const) : ("dim" as const) },
  ]);
  return joinBlocks([
    paragraph(style, verdict, { tone: ok ? "good" : "alarm" }),
    version,
    columns(style, [...rows, ...unexpected], 2),
  ]);
}
