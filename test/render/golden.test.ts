import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { renderDiagnostics } from "../../src/render/diagnostics.ts";
import { renderExplanation } from "../../src/render/explain.ts";
import { renderInspection } from "../../src/render/inspection.ts";
import { cells } from "../../src/render/layout.ts";
import { renderListing } from "../../src/render/listing.ts";
import { renderPlan } from "../../src/render/plan.ts";
import { renderPosture } from "../../src/render/posture.ts";
import { renderResult } from "../../src/render/result.ts";
import type { Style } from "../../src/render/style.ts";
import { explanation, listing, posture, result } from "./answers.ts";
import { change, fullPlan, plan } from "./plans.ts";

const wide: Style = { colour: false, width: 140, unicode: true, cwd: "/repo" };
const styles: Readonly<Record<string, Style>> = {
  wide,
  narrow: { ...wide, width: 60 },
  ascii: { ...wide, width: 100, unicode: false },
  colour: { ...wide, width: 100, colour: true },
};

/** Three runtimes that are as declared. */
function settled() {
  const changes = ["agent/a", "agent/b", "shared"].map((address) => change(address, { actions: ["no-op"] }));
  return plan({ changes, counts: { no_op: 3 } });
}

const inspection = {
  address: "agent/work",
  runtime: { status: "running", config: "drift", object_id: "cafe" },
  spec: { docker: { image: "node:22-slim", memory: 2147483648, cap_add: [] }, env: { LANG: "C.UTF-8" } },
  would: { action: "update", why: "someone changed its limits" },
  observed: { state: "running" },
  diff: [{ path: "docker.memory", before: 1073741824, after: 2147483648 }],
  labels: { "sandkeep.fleet": "team" },
  history: [
    { at: "2026-01-02T00:00:01.000Z", op: "create", phase: "result", status: "done" },
    { at: "2026-01-02T00:00:00.000Z", op: "create", phase: "intent" },
  ],
  open_runs: [],
};

const subjects: Readonly<Record<string, (style: Style) => string>> = {
  plan: (style) => renderPlan(fullPlan(), style, { verbose: false }),
  "plan-verbose": (style) => renderPlan(fullPlan(), style, { verbose: true }),
  "plan-empty": (style) => renderPlan(settled(), style, { verbose: false }),
  explain: (style) => renderExplanation(explanation(), style),
  list: (style) => renderListing(listing(), style),
  "list-empty": (style) =>
    renderListing({ runtimes: [], dormant: [], orphans: [], foreign: [], unobserved: [] }, style),
  status: (style) => renderPosture(posture(), style),
  result: (style) => renderResult(result(), style),
  diagnostics: (style) => renderDiagnostics(fullPlan().diagnostics, style),
  inspect: (style) => renderInspection(inspection, style),
};

describe.each(Object.entries(subjects))("%s", (subject, render) => {
  test.each(Object.entries(styles))("%s", async (name, style) => {
    const text = render(style);
    const lines = stripVTControlCharacters(text).split("\n");
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
    expect(lines.filter((line) => cells(line) > style.width)).toEqual([]);
    expect(text.endsWith("\n")).toBe(true);
    await expect(text).toMatchFileSnapshot(`golden/${subject}.${name}.txt`);
  });

  test("colour only repeats what the words say", () => {
    const style = styles["colour"] ?? wide;
    expect(stripVTControlCharacters(render(style))).toBe(render({ ...style, colour: false }));
  });
});
