import type { DoctorFinding, DoctorReport } from "../model/doctor.ts";
import { count, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { showEngine } from "./style.ts";

const WORDS: Readonly<Record<DoctorFinding["status"], readonly [words: string, tone: Tone]>> = {
  found: ["to mend", "warning"],
  would_fix: ["would be mended", "update"],
  fixed: ["mended", "good"],
  changed: ["no longer so", "dim"],
  failed: ["could not be mended", "alarm"],
  left: ["left to you", "warning"],
};

export function renderDoctor(report: DoctorReport, style: Style): string {
  const { findings, engines, skipped, recent, kept, state_dir } = report;
  const away = engines.filter(({ status }) => status === "unobserved");
  return joinBlocks([
    ...findings.map((each) => findingLines(each, style)),
    away.flatMap(({ backend, host, message }) =>
      paragraph(style, `${showEngine(backend, host)} cannot be seen: ${message ?? "no more is known"}`, {
        tone: "alarm",
      }),
    ),
    skipped.flatMap((each) => paragraph(style, `not judged: ${each}`, { tone: "warning", hang: 2 })),
    [
      ...noted(style, recent, "thing", "is", "are", "too young to judge; somebody may be at work on them"),
      ...noted(style, kept.length, "thing", "was", "were", `put aside earlier, below ${state_dir}`),
    ],
    paragraph(style, verdict(report), { tone: report.ok ? "good" : "strong" }),
  ]);
}

function noted(
  style: Style,
  amount: number,
  noun: string,
  one: string,
  many: string,
  rest: string,
): string[] {
  if (amount === 0) return [];
  return paragraph(style, `${count(amount, noun)} ${amount === 1 ? one : many} ${rest}`, { tone: "dim" });
}

function findingLines(finding: DoctorFinding, style: Style): string[] {
  const { code, path, subject, why, does, status, error } = finding;
  const [words, tone] = WORDS[status];
  const where = subject === null || path.includes(subject) ? path : `${path}: ${subject}`;
  return [
    ...paragraph(style, `${code} ${where}`, { tone: "strong", hang: 2 }),
    ...paragraph(style, why, { indent: 2 }),
    ...paragraph(style, `${words}: ${error ?? does}`, { indent: 2, tone }),
  ];
}

function verdict({ ok, findings, statuses, fix, dry_run }: DoctorReport): string {
  if (ok && findings.length === 0) return "All is in order.";
  const parts = Object.entries(WORDS).flatMap(([status, [words]]) => {
    const amount = statuses[status] ?? 0;
    return amount === 0 ? [] : [`${amount} ${words}`];
  });
  const next = fix && !dry_run ? "" : "; `sandkeep doctor --fix` does what is said here, and nothing else";
  const open = (statuses["found"] ?? 0) + (statuses["would_fix"] ?? 0);
  return parts.length === 0 ? "The files are in order." : `${parts.join(", ")}${open > 0 ? next : ""}.`;
}
