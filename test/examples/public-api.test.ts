import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import type { SandkeepPlan } from "../../schemas/plan.d.ts";
import * as api from "../../src/index.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "sandkeep-api-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  mkdirSync(join(made, "fleet"));
  return made;
}

function engineIn(root: string): { readonly engine: api.Engine; readonly events: api.EventBody[] } {
  const events: api.EventBody[] = [];
  const engine = {
    drivers: api.builtInDrivers,
    stateDir: api.stateDirectory({ SANDKEEP_STATE_DIR: join(root, "state") }),
    cwd: join(root, "fleet"),
    env: { PATH: process.env["PATH"], HOME: root },
    now: Date.now,
    wait: api.realWait,
    randomId: () => Math.random().toString(16).slice(2).padEnd(16, "0").slice(0, 16),
    sink: { notify: (event: api.EventBody) => void events.push(event) },
    toolVersion: "0.0.0-test",
  };
  return { engine, events };
}

test("what is public", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "PLAN_FORMAT",
      "SandkeepError",
      "applySavedPlan",
      "builtInDrivers",
      "decodeLabels",
      "encodeLabels",
      "explainFleet",
      "fleetPosture",
      "ignoredField",
      "inspectRuntime",
      "listFleet",
      "liveField",
      "loadFleet",
      "planFleet",
      "realWait",
      "reconcile",
      "recreateField",
      "runCommand",
      "stateDirectory",
      "validateFleet",
      "watch",
    ]
  `);
});

test("a program can plan, apply, run, list and explain with it", async () => {
  const root = folder();
  const { engine, events } = engineIn(root);
  expect(await api.validateFleet(engine, {})).toMatchObject({
    ok: false,
    diagnostics: [{ severity: "error" }],
  });

  writeFileSync(
    join(engine.cwd, "sandkeep.toml"),
    'version = 1\nfleet = "api"\nfleet_id = "abcd"\n[agents.main]\n',
  );
  const planned = await api.planFleet(engine, { intent: { mode: "apply" } });
  if (planned.status !== "planned") throw new Error(JSON.stringify(planned));
  expect(planned.plan.summary.create).toBe(1);
  // As a program that knows the published types has it; the compiler says here that they fit ours.
  const saved = JSON.parse(JSON.stringify(planned.plan)) as SandkeepPlan;

  const applied = await api.applySavedPlan(engine, saved, {});
  expect(applied).toMatchObject({ status: "applied", result: { exit_code: 0, summary: { done: 1 } } });
  expect(events.map(({ type }) => type)).toContain("change.finished");

  let output = "";
  const stdout = new Writable({ write: (chunk, _, done) => ((output += String(chunk)), done()) });
  const request = { argv: ["sh", "-c", "echo $WHO; exit 7"], env: { WHO: "me" } };
  const ran = await api.runCommand(engine, request, { stdout, stderr: stdout });
  expect({ ran, output }).toMatchObject({
    ran: { status: "ran", manifest: { exit_code: 7 } },
    output: "me\n",
  });

  expect(await api.listFleet(engine, { all: false })).toMatchObject({
    listing: { runtimes: [{ address: "agent/main", status: "running" }] },
  });
  expect(await api.explainFleet(engine, {})).toMatchObject({ explanation: { agents: [{ agent: "main" }] } });
  expect(await api.inspectRuntime(engine, { address: "agent/main" })).toMatchObject({ status: "inspected" });

  const intent = { mode: "destroy", unprotect: false } as const;
  const declined = await api.reconcile(engine, { intent }, { approve: async () => false });
  expect(declined.status).toBe("declined");
  const gone = await api.reconcile(engine, { intent }, { approve: async () => true });
  expect(gone).toMatchObject({ status: "applied", result: { exit_code: 0 } });
});
