import type { CanaryHistory, CanaryReport, CanaryStep, HostDelta } from "../model/canary.ts";
import type { Cell } from "./layout.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { showEngine } from "./style.ts";
import { roughBytes } from "./value.ts";

const TONES = {
  passed: "good",
  failed: "alarm",
  not_applicable: "dim",
  skipped: "dim",
} as const satisfies Record<CanaryStep["status"], Tone>;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;

function signed(value: number, show: (size: number) => string = String): string {
  return `${value < 0 ? "-" : "+"}${show(Math.abs(value))}`;
}

function deltaLine(title: string, delta: HostDelta | null, style: Style): string[] {
  if (delta === null) return [];
  const disk = delta.disk_available.find(({ bytes }) => bytes !== 0);
  const parts = [
    ...(delta.load_1m === null ? [] : [`load ${signed(delta.load_1m)}`]),
    ...(delta.memory_available === null
      ? []
      : [`memory available ${signed(delta.memory_available, roughBytes)}`]),
    ...(disk === undefined ? [] : [`disk available ${signed(disk.bytes, roughBytes)}`]),
    `containers ${signed(delta.containers)}`,
  ];
  return paragraph(style, `${title}: ${parts.join(", ")}`, { indent: 2, hang: 2 });
}

export function renderCanary(report: CanaryReport, style: Style): string {
  const { host, backend, verdict, why, steps, stale_candidates: stale, notes, kept, address } = report;
  const rows = steps.map((each): Cell[] => [
    { text: each.step },
    { text: each.status.replace("_", " "), tone: TONES[each.status] },
    { text: seconds(each.duration_ms) },
    { text: each.message },
  ]);
  return joinBlocks([
    paragraph(style, `Canary on ${showEngine(backend, host)}: ${verdict}`, {
      tone: verdict === "passed" ? "good" : "alarm",
    }),
    columns(style, rows, 2),
    [
      ...deltaLine("with it", report.provision_delta, style),
      ...deltaLine("after it", report.destroy_delta, style),
      ...paragraph(style, `${count(stale.length, "stale candidate")} on the host`, { indent: 2 }),
    ],
    notes.flatMap((note) => paragraph(style, note, { tone: "warning", hang: 2 })),
    kept ? paragraph(style, `kept as ${address}: \`sandkeep run --in ${address} -- CMD\` runs in it`) : [],
    verdict === "passed"
      ? []
      : paragraph(style, `Nothing new is made on host ${host} until a canary passes: ${why}`, {
          tone: "alarm",
          hang: 2,
        }),
  ]);
}

const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const ASCII_BARS = [".", ":", "-", "=", "+", "*", "%", "#"] as const;

/** One mark a canary, the higher the longer it took to make; `x` where it failed. */
export function trendOf(canaries: CanaryHistory["canaries"], style: Pick<Style, "unicode">): string {
  const bars = style.unicode ? BARS : ASCII_BARS;
  const times = canaries.flatMap(({ provision_ms: ms }) => (ms === null ? [] : [ms]));
  const most = Math.max(1, ...times);
  return canaries
    .map(({ verdict, provision_ms: ms }) =>
      verdict === "failed" || ms === null
        ? "x"
        : (bars[Math.min(bars.length - 1, Math.floor((ms / most) * bars.length))] ?? ""),
    )
    .join("");
}

const SHOWN = 20;

export function renderCanaryHistory({ canaries }: CanaryHistory, style: Style): string {
  if (canaries.length === 0) return joinBlocks([paragraph(style, "No canary was run yet.")]);
  const hosts = [...new Set(canaries.map(({ host }) => host))];
  return joinBlocks(
    hosts.map((host) => {
      const own = canaries.filter((each) => each.host === host);
      const passed = own.filter(({ verdict }) => verdict === "passed").length;
      const rows = own
        .slice(-SHOWN)
        .map((each): Cell[] => [
          { text: each.started_at },
          { text: each.verdict, tone: TONES[each.verdict] },
          { text: each.provision_ms === null ? "-" : seconds(each.provision_ms) },
          { text: each.why },
        ]);
      return [
        ...paragraph(style, `${host}: ${passed} of ${own.length} passed`, { tone: "strong" }),
        ...paragraph(style, trendOf(own.slice(-style.width + 2), style), { indent: 2 }),
        ...columns(
          style,
          [
            [
              { text: "WHEN", tone: "dim" },
              { text: "VERDICT", tone: "dim" },
              { text: "MADE IN", tone: "dim" },
              { text: "WHY", tone: "dim" },
            ],
            ...rows,
          ],
          2,
        ),
      ];
    }),
  );
}
