import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { watch } from "../../controllers/watch.ts";
import { cleanUpRuns } from "../../src/runs/cleanup.ts";
import { eventsFile, readEvents } from "../../src/state/events.ts";
import { Lab } from "../support/memory-fleet.ts";
import { applied, labRun, SANDBOX } from "./ledger.ts";

// What the whole product records, with something to hide in every place where a person can write.

const HOSTILE = [
  "sekretarg",
  "SEKRETNAME",
  "sekretvalue",
  "sekretoutput",
  "sekretagent",
  "sekretsession",
  "sekretsource",
  "sekretimage",
];

it("tells of runs, applies, prunes, watch and cleanup, and of nobody and nothing in them", async () => {
  await using lab = new Lab({ env: { TOKEN: "sekretvalue" } });
  const config = {
    sandbox: { ...SANDBOX, secrets: { SEKRETNAME: { env: "TOKEN" } }, env: { SEKRETOTHER: "sekretvalue" } },
    agents: { sekretagent: { sessions: ["main", "sekretsession"] } },
  };
  await applied(lab, config);
  await labRun(lab, ["echo", "sekretoutput", "sekretarg"], {
    agent: "sekretagent",
    session: "sekretsession",
    source: "sekretsource",
    env: { SEKRETNAME: "sekretvalue" },
  });
  await labRun(lab, ["exit", "3"], { agent: "sekretagent" });
  await lab.write({ ...config, sandbox: { ...config.sandbox, docker: { image: "sekretimage" } } });
  await lab.apply().catch(() => undefined);
  await lab.write(config);
  const stop = new AbortController();
  const watching = watch(lab.engine(), { signal: stop.signal });
  await expect
    .poll(() => lab.events.some(({ type }) => type === "watch.cycle"), { timeout: 30_000 })
    .toBe(true);
  stop.abort();
  await watching;
  lab.time.advance(10);
  await lab.intent({ mode: "prune", idle: 1, orphans: false });
  const everything = { olderThan: 0, failedOnly: false, source: undefined, dryRun: false };
  await cleanUpRuns(lab.state(), { ...everything, now: lab.time.now() + 1 });

  const events = await readEvents(lab.state(), 0);
  const types = new Set(events.map(({ type }) => type));
  for (const type of [
    "run.started",
    "run.ended",
    "apply.ended",
    "change.ended",
    "watch.started",
    "watch.cycle",
    "watch.stopped",
    "cleanup.ended",
  ]) {
    expect(types, type).toContain(type);
  }
  expect(events.filter(({ type }) => type === "run.ended")).toMatchObject([
    { status: "ok", exit_class: "success" },
    { status: "failed", exit_class: "error" },
  ]);
  const started = events.filter((each) => each.type === "run.started");
  expect(started.map(({ source }) => source)).toEqual(["other", "cli"]);
  expect(events.some((each) => each.type === "apply.ended" && each.mode === "prune")).toBe(true);
  expect(events.at(-1)).toMatchObject({ type: "cleanup.ended", removed: 2 });
  // A run and the making of its runtime are of one workspace.
  const workspaces = new Set(
    events.flatMap((each) => (each.type === "change.ended" ? [each.workspace] : [])),
  );
  expect(workspaces).toContain(started[0]?.workspace);

  const text = await readFile(eventsFile(lab.state()), "utf8");
  const hidden = [
    ...HOSTILE,
    "TOKEN",
    "SEKRETOTHER",
    "img:a",
    "docker",
    "default",
    "team",
    "agent/",
    lab.repo,
    lab.stateDir(),
  ];
  for (const each of hidden) expect(text.toLowerCase()).not.toContain(each.toLowerCase());
}, 60_000);
