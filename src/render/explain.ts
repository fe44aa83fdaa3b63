import type { ExplainedAgent, Explanation, FixIt, ToolVerdict } from "../model/explain.ts";
import { diagnosticLines } from "./diagnostics.ts";
import { enginePostureLines } from "./posture.ts";
import type { Cell } from "./layout.ts";
import { columns, joinBlocks, paragraph } from "./layout.ts";
import type { Style } from "./style.ts";
import { showSource, showEngine } from "./style.ts";
import { formatValue } from "./value.ts";

const INDENT = 2;
const INNER = 4;
const SHORT_VALUE = 20;

function title(style: Style, text: string): string[] {
  return paragraph(style, text, { indent: INDENT, tone: "strong" });
}

function grid(style: Style, heading: string, rows: readonly (readonly Cell[])[]): string[] {
  return rows.length === 0 ? [] : [...title(style, heading), ...columns(style, rows, INNER)];
}

/** Where commands run is the one thing nobody may misread, so it stands first and in words. */
function whereCommandsRun(agent: ExplainedAgent, style: Style): string[] {
  const onHost = agent.sessions.filter((session) => !session.sandboxed);
  const alarm = (text: string) => paragraph(style, text, { indent: INDENT, hang: 3, tone: "alarm" });
  if (agent.mode === "off") {
    return alarm('!! mode is "off": every command of this agent runs ON THE HOST, not in a sandbox.');
  }
  if (onHost.length === 0) return [];
  const names = onHost.map((session) => session.session_key).join(", ");
  return alarm(`!! mode is "${agent.mode}": commands of ${names} run ON THE HOST, not in a sandbox.`);
}

function sessions(agent: ExplainedAgent, style: Style): string[] {
  return grid(
    style,
    "Sessions",
    agent.sessions.map((session) => [
      { text: session.session_key },
      session.sandboxed
        ? { text: `sandboxed in ${session.address ?? "(no address)"}`, tone: "good" }
        : { text: "on the host", tone: "alarm" },
      { text: session.why, tone: "dim" },
    ]),
  );
}

function settings(agent: ExplainedAgent, style: Style): string[] {
  const rows = Object.entries(agent.settings)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([path, setting]) => [
      { text: path },
      { text: formatValue(path, setting.value) },
      setting.source === null
        ? { text: `built-in (${setting.key} would change it)`, tone: "dim" }
        : { text: `${setting.layer}: ${setting.key} at ${showSource(style, setting.source)}`, tone: "dim" },
    ]) satisfies Cell[][];
  // A path or a list of commands is often longer than all else together.
  const caps = [undefined, Math.max(SHORT_VALUE, Math.floor(style.width / 3))];
  return rows.length === 0 ? [] : [...title(style, "Settings"), ...columns(style, rows, INNER, caps)];
}

function fixRow(style: Style, fix: FixIt): Cell[] {
  return [{ text: fix.key }, { text: showSource(style, fix), tone: "dim" }, { text: fix.why }];
}

function verdictLines(verdict: ToolVerdict, style: Style): string[] {
  const allowed = verdict.verdict === "allowed";
  const at = showSource(style, verdict);
  const by = [
    `rule ${verdict.rule}`,
    verdict.pattern === null ? "" : `pattern ${JSON.stringify(verdict.pattern)}`,
    verdict.key === null ? "" : `key ${verdict.key}`,
    at === "" ? "" : `at ${at}`,
  ].filter((part) => part !== "");
  return [
    ...paragraph(style, `${verdict.tool}: ${allowed ? "allowed" : "BLOCKED"}`, {
      indent: INNER,
      tone: allowed ? "good" : "alarm",
    }),
    ...paragraph(style, verdict.why, { indent: INNER + 2 }),
    ...paragraph(style, by.join(", "), { indent: INNER + 2, hang: 2, tone: "dim" }),
    ...(verdict.fix.length === 0
      ? []
      : [
          ...paragraph(style, "to change it:", { indent: INNER + 2 }),
          ...columns(
            style,
            verdict.fix.map((fix) => fixRow(style, fix)),
            INNER + 4,
          ),
        ]),
  ];
}

function tools(agent: ExplainedAgent, style: Style): string[] {
  const { allow, deny, also_allow, sources, verdict } = agent.tools;
  const lists = [
    ["allow", allow],
    ["deny", deny],
    ["also_allow", also_allow],
  ] as const;
  const rows = lists.map(([name, list]) => {
    const source = sources[name];
    const at =
      source === undefined ? [] : [source.key, showSource(style, source)].filter((part) => part !== "");
    const items = list.length === 0 ? "(none)" : list.join(", ");
    return [{ text: name }, { text: at.length === 0 ? items : `${items} (${at.join(" at ")})` }];
  });
  return [...grid(style, "Tools", rows), ...(verdict === null ? [] : verdictLines(verdict, style))];
}

function elevated(agent: ExplainedAgent, style: Style): string[] {
  const { enabled, allowed_channels, failures } = agent.elevated;
  const state = enabled
    ? `enabled for ${allowed_channels.length === 0 ? "no channel" : allowed_channels.join(", ")}`
    : "disabled";
  return [
    ...title(style, "Elevated"),
    ...paragraph(style, state, { indent: INNER, tone: enabled ? "warning" : "plain" }),
    ...columns(
      style,
      failures.map((failure) => [
        { text: `closed by ${failure.gate}` },
        { text: failure.key },
        { text: showSource(style, failure), tone: "dim" },
      ]),
      INNER,
    ),
  ];
}

const LEFT_ALONE = { stalled: "Stalled", "back-off": "backing off", paused: "paused" } as const;

function watchLines(watch: ExplainedAgent["runtimes"][number]["watch"], style: Style): string[] {
  if (watch === null) return [];
  const until = watch.until === null ? "" : ` (tried again at ${watch.until})`;
  const text = `watch leaves it alone, ${LEFT_ALONE[watch.state]}: ${watch.why}${until}`;
  return paragraph(style, text, { indent: INNER + 2, hang: 2, tone: "warning" });
}

function runtimes(agent: ExplainedAgent, style: Style): string[] {
  if (agent.runtimes.length === 0) return [];
  return [
    ...title(style, "Runtimes"),
    ...agent.runtimes.flatMap((runtime) => [
      ...columns(
        style,
        [
          [
            { text: runtime.address, tone: "strong" },
            { text: runtime.status },
            { text: runtime.name, tone: "dim" },
          ],
        ],
        INNER,
      ),
      ...runtime.would.flatMap(({ action, why }) =>
        paragraph(style, action === "no-op" ? `nothing happens: ${why}` : `would ${action}: ${why}`, {
          indent: INNER + 2,
          hang: 2,
        }),
      ),
      ...(runtime.busy === null || runtime.would.some(({ why }) => why.includes(runtime.busy ?? ""))
        ? []
        : paragraph(style, `busy: ${runtime.busy}`, { indent: INNER + 2, hang: 2 })),
      ...watchLines(runtime.watch, style),
    ]),
  ];
}

function agentBlocks(agent: ExplainedAgent, style: Style): string[][] {
  const head = [
    `mode ${agent.mode}`,
    `scope ${agent.scope}`,
    `backend ${showEngine(agent.backend, agent.host)}`,
    `workspace by ${agent.workspace_provider}`,
  ].join(", ");
  return [
    [
      ...paragraph(style, `Agent ${agent.agent}`, { tone: "strong" }),
      ...paragraph(style, head, { indent: INDENT, hang: 2 }),
      ...whereCommandsRun(agent, style),
      ...agent.notes.flatMap((note) =>
        paragraph(style, `note: ${note}`, { indent: INDENT, hang: 6, tone: "warning" }),
      ),
    ],
    sessions(agent, style),
    runtimes(agent, style),
    settings(agent, style),
    tools(agent, style),
    elevated(agent, style),
    grid(
      style,
      "Fix it",
      agent.fix_it.map((fix) => fixRow(style, fix)),
    ),
  ];
}

/** For each agent: where its commands run, what exists and would happen, and every setting with who said it. */
export function renderExplanation(explanation: Explanation, style: Style): string {
  return joinBlocks([
    paragraph(style, `Fleet ${explanation.fleet}`, { tone: "strong" }),
    // What is ready needs no words here, but for the way there; `status` shows it.
    ...explanation.posture
      .filter((engine) => engine.status !== "ready" || engine.transport !== undefined)
      .map((engine) => enginePostureLines(engine, style)),
    ...explanation.agents.flatMap((agent) => agentBlocks(agent, style)),
    explanation.diagnostics.flatMap((diagnostic) => diagnosticLines(style, diagnostic)),
  ]);
}
