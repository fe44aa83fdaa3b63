import type { EnginePosture, Posture, UnusedHost } from "../model/posture.ts";
import { diagnosticLines } from "./diagnostics.ts";
import { laneLine } from "./lanes.ts";
import { columns, joinBlocks, paragraph } from "./layout.ts";
import { renderRecordedEvent } from "./recorded-event.ts";
import type { Style, Tone } from "./style.ts";
import { showEngine } from "./style.ts";

const TONES = {
  ready: "good",
  degraded: "warning",
  unavailable: "alarm",
} as const satisfies Record<EnginePosture["status"], Tone>;

const TRANSPORTS = {
  ssh2: "ssh2, the built-in SSH client",
  openssh: "the system's ssh",
} as const satisfies Record<NonNullable<EnginePosture["transport"]>, string>;

const INDENT = 2;

type Shown = Pick<EnginePosture, "lane" | "client"> &
  UnusedHost & { readonly agents?: EnginePosture["agents"] };

/** One backend on one host: its status, each reason with its fix, and what its agents have there. */
export function enginePostureLines(engine: Shown, style: Style, indent = 0): string[] {
  const { status, reasons, agents = [], probed, backend, host } = engine;
  const how = probed ? "asked" : "not asked";
  const inner = indent + INDENT;
  const manners = new Map<string, string[]>();
  for (const { agent, writes, background } of agents) {
    const manner = `writes ${writes}, ${background ? "commands in the background" : "no commands in the background"}`;
    manners.set(manner, [...(manners.get(manner) ?? []), agent]);
  }
  return [
    ...columns(
      style,
      [
        [
          { text: backend === null ? host : showEngine(backend, host), tone: "strong" },
          { text: status, tone: TONES[status] },
          { text: `(${how})`, tone: "dim" },
        ],
      ],
      indent,
    ),
    ...(engine.client === undefined ? [] : clientLines(engine.client, style, inner)),
    ...(engine.transport === undefined
      ? []
      : paragraph(style, `over ${TRANSPORTS[engine.transport]}`, {
          indent: inner,
          hang: INDENT,
          tone: "dim",
        })),
    ...(engine.lane === undefined
      ? []
      : paragraph(style, laneLine(engine.lane), { indent: inner, hang: INDENT, tone: "dim" })),
    ...reasons.flatMap(({ code, message, fix }) => [
      ...paragraph(style, `${code}: ${message}`, { indent: inner, hang: INDENT, tone: TONES[status] }),
      ...paragraph(style, `fix: ${fix}`, { indent: inner + INDENT, hang: INDENT }),
    ]),
    ...[...manners].flatMap(([manner, names]) =>
      paragraph(style, `${names.join(", ")}: ${manner}`, { indent: inner, hang: INDENT, tone: "dim" }),
    ),
  ];
}

function recentLines({ counts, events }: Posture["recent"], style: Style): string[] {
  if (events.length === 0) return [];
  const told = counts.map((each) => `${each.count} ${each.action} ${each.outcome.replaceAll("_", " ")}`);
  return [
    ...paragraph(style, `In the last 24 hours: ${told.length === 0 ? "nothing ended" : told.join(", ")}`),
    ...events.flatMap((event) =>
      paragraph(style, renderRecordedEvent(event, { ...style, colour: false }).trimEnd(), {
        indent: INDENT,
        hang: INDENT,
        tone: "dim",
      }),
    ),
  ];
}

function clientLines(client: NonNullable<EnginePosture["client"]>, style: Style, indent: number): string[] {
  const { name, version, program, driver } = client;
  const text = `through ${name}${version === null ? "" : ` ${version}`}${driver === undefined ? "" : `, its ${driver} driver`} (${program})`;
  return paragraph(style, text, { indent, hang: INDENT, tone: "dim" });
}

export function renderPosture(posture: Posture, style: Style): string {
  const { fleet, engines, unused_hosts: unused, unsandboxed, diagnostics } = posture;
  return joinBlocks([
    paragraph(style, `Fleet ${fleet}: ${posture.status}`, { tone: "strong" }),
    ...engines.map((engine) => enginePostureLines(engine, style)),
    unused.length === 0
      ? []
      : [
          ...paragraph(style, "Declared, and used by no agent:"),
          ...unused.flatMap((each) => enginePostureLines(each, style, INDENT)),
        ],
    unsandboxed.length === 0
      ? []
      : paragraph(style, `!! mode is "off": every command of ${unsandboxed.join(", ")} runs ON THE HOST.`, {
          hang: 3,
          tone: "alarm",
        }),
    recentLines(posture.recent, style),
    diagnostics.flatMap((diagnostic) => diagnosticLines(style, diagnostic)),
  ]);
}
