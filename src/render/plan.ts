import type { NetworkChange } from "../model/network-change.ts";
import type { Plan } from "../model/plan.ts";
import { BODY_INDENT, changeLines, isNoOp, symbolLine } from "./change.ts";
import { diagnosticLines } from "./diagnostics.ts";
import { joinBlocks, paragraph } from "./layout.ts";
import { planSummary } from "./summary.ts";
import type { Style, Tone } from "./style.ts";
import { arrow, showEngine, showPath } from "./style.ts";
import { formatValue } from "./value.ts";

const TITLES = {
  apply: "Plan",
  recreate: "Plan to recreate runtimes",
  prune: "Plan to prune",
  destroy: "Plan to destroy",
} as const satisfies Record<Plan["mode"], string>;

interface Row {
  readonly symbol: string;
  readonly tone: Tone;
  readonly head: string;
  readonly rest: string;
  readonly body: readonly string[];
}

function section(style: Style, title: string, rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  return [
    ...paragraph(style, title, { tone: "strong" }),
    ...rows.flatMap((row) => [
      ...symbolLine(style, row.symbol, row.tone, row.head, row.rest),
      ...row.body.flatMap((text) => paragraph(style, text, { indent: BODY_INDENT })),
    ]),
  ];
}

function header(plan: Plan, style: Style): string[] {
  const file = plan.source.file;
  const from = file === null ? "from labels alone, without a config" : `from ${showPath(style, file)}`;
  return paragraph(style, `${TITLES[plan.mode]} for fleet ${plan.source.fleet}, ${from}`, { tone: "strong" });
}

/** What could not be seen comes first and loudest: a plan that looks empty must not be read as "all is well". */
function unobserved(plan: Plan, style: Style): string[] {
  // Engines that no agent uses may be away: a warning tells so, and the plan is complete without them.
  if (plan.complete) return [];
  const blind = plan.observed.filter((engine) => engine.status === "unobserved");
  return [
    ...blind.flatMap((engine) =>
      paragraph(
        style,
        `!! COULD NOT OBSERVE ${showEngine(engine.backend, engine.host)}: ${engine.message ?? "no reason given"}`,
        { hang: 3, tone: "alarm" },
      ),
    ),
    ...paragraph(style, "This plan is not complete: nothing is planned for what could not be observed.", {
      indent: 3,
    }),
  ];
}

function images(plan: Plan, style: Style, verbose: boolean): string[] {
  const shown = plan.images.filter((image) => verbose || !image.present);
  return section(
    style,
    "Images",
    shown.map((image) => ({
      symbol: image.present ? "=" : "+",
      tone: image.present ? "dim" : "create",
      head: image.ref,
      rest: `${image.present ? "present" : "to be fetched"}, policy ${image.policy} (${showEngine(image.backend, image.host)})`,
      body: verbose && image.digest !== null ? [`${image.kind ?? ""} ${image.digest}`.trim()] : [],
    })),
  );
}

const NETWORK_SYMBOLS = {
  create: ["+", "create"],
  update: ["~", "update"],
  remove: ["-", "remove"],
  "no-op": ["=", "dim"],
} as const satisfies Record<NetworkChange["action"], readonly [string, Tone]>;

function networks(plan: Plan, style: Style, verbose: boolean): string[] {
  return section(
    style,
    "Networks",
    (plan.networks ?? [])
      .filter((each) => verbose || each.action !== "no-op")
      .map((each) => {
        const [symbol, tone] = NETWORK_SYMBOLS[each.action];
        const limits = each.action === "remove" || each.enforced === null ? [] : [each.enforced];
        const changed = each.differences.map(
          ({ path, before, after }) =>
            `${path}: ${formatValue(path, before)} ${arrow(style)} ${formatValue(path, after)}`,
        );
        const rest = `${each.action} (${showEngine(each.backend, each.host)})`;
        return { symbol, tone, head: each.network, rest, body: [each.why, ...changed, ...limits] };
      }),
  );
}

function caches(plan: Plan, style: Style, verbose: boolean): string[] {
  return section(
    style,
    "Caches",
    (plan.caches ?? [])
      .filter((each) => verbose || each.action !== "no-op")
      .map((each) => {
        const [symbol, tone] = each.action === "no-op" ? (["=", "dim"] as const) : (["-", "remove"] as const);
        const head = showEngine(each.backend, each.host);
        const rest = each.action === "no-op" ? "kept" : "to be cut down";
        return { symbol, tone, head, rest, body: [each.why] };
      }),
  );
}

function orphans(plan: Plan, style: Style): string[] {
  // An orphan that this plan removes is told once, as its removal.
  const leaving = new Set(
    plan.changes.filter((change) => change.actions.includes("remove")).map((change) => change.address),
  );
  return section(
    style,
    "Orphans: of this fleet and no longer declared",
    plan.orphans
      .filter((orphan) => !leaving.has(orphan.address))
      .map((orphan) => ({
        symbol: "!",
        tone: "warning",
        head: orphan.address,
        rest: `${orphan.name} (${showEngine(orphan.backend, orphan.host)})`,
        body: [orphan.why],
      })),
  );
}

function foreign(plan: Plan, style: Style): string[] {
  return section(
    style,
    "Foreign: not of this fleet, never touched",
    plan.foreign.map((object) => ({
      symbol: "!",
      tone: "warning",
      head: object.name,
      rest: showEngine(object.backend, object.host),
      body: [object.why],
    })),
  );
}

function blocked(plan: Plan, style: Style): string[] {
  return section(
    style,
    "Blocked",
    plan.blocked.map((entry) => ({
      symbol: "!",
      tone: "alarm",
      head: entry.address,
      rest: entry.deferred ? `${entry.rule}, put off` : entry.rule,
      body: [
        entry.until === null ? entry.why : `${entry.why} (tried again at ${isoMinute(entry.until)})`,
        ...(entry.fix === null ? [] : [`fix: ${entry.fix}`]),
      ],
    })),
  );
}

function held(plan: Plan, style: Style): string[] {
  return section(
    style,
    "Held: left alone until released",
    plan.held.map((entry) => ({
      symbol: "=",
      tone: "info",
      head: entry.address,
      rest: entry.until === null ? "until released" : `until ${entry.until}`,
      body: [entry.reason],
    })),
  );
}

function dormant(plan: Plan, style: Style): string[] {
  return section(
    style,
    "Dormant: pruned, waiting for their next use",
    plan.dormant.map((entry) => ({
      symbol: "=",
      tone: "dim",
      head: entry.address,
      rest: `since ${entry.since}`,
      body: [entry.reason],
    })),
  );
}

function isoMinute(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}

/** The plan as people read it. `verbose` also says why nothing happens, with hashes, names and each reason's sentence. */
export function renderPlan(plan: Plan, style: Style, options: { readonly verbose: boolean }): string {
  const shown = plan.changes.filter((change) => options.verbose || !isNoOp(change));
  const summary = planSummary(plan);
  return joinBlocks([
    header(plan, style),
    unobserved(plan, style),
    ...shown.map((change) => changeLines(style, change, options.verbose)),
    networks(plan, style, options.verbose),
    caches(plan, style, options.verbose),
    images(plan, style, options.verbose),
    orphans(plan, style),
    blocked(plan, style),
    held(plan, style),
    dormant(plan, style),
    foreign(plan, style),
    plan.diagnostics.flatMap((diagnostic) => diagnosticLines(style, diagnostic)),
    [
      ...paragraph(style, summary, { tone: "strong" }),
      ...(options.verbose ? paragraph(style, `plan ${plan.plan_id}`, { tone: "dim" }) : []),
    ],
  ]);
}
