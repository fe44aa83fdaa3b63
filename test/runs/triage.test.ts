import { describe, expect, it } from "vitest";
import type { RunManifest } from "../../src/model/run-manifest.ts";
import { RUN_EXIT_CLASSES } from "../../src/model/run.ts";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { diagnose } from "../../src/runs/diagnosis.ts";
import { differencesBetween, repetitionOf } from "../../src/runs/rerun.ts";
import { selectRun } from "../../src/runs/select.ts";
import { triageRun } from "../../src/runs/triage.ts";
import { Lab } from "../support/memory-fleet.ts";
import { applied, labRun, SANDBOX } from "./ledger.ts";

async function triage(lab: Lab) {
  const place = { cwd: "/", now: lab.time.now() };
  const run = await selectRun(lab.state(), { latestFailed: true }, place);
  return await triageRun(lab.engine(), { state: lab.state(), run, lines: 3, place: {} });
}

describe("a failure in one place", () => {
  it("has the end of its output, what it means, and those that failed alike", async () => {
    await using lab = new Lab();
    await applied(lab);
    const first = await labRun(lab, ["exit", "4"]);
    await labRun(lab, ["true"]);
    await labRun(lab, ["no-such"]);
    lab.time.advance(1_000);
    const last = await labRun(lab, ["exit", "5"]);
    expect(await triage(lab)).toMatchObject({
      run: { run_id: last.manifest.run_id },
      diagnosis: { exit_class: "error", what: "it exited with 5 by itself" },
      runtime: { address: "agent/a", status: "running", config: "match", same: true },
      drift: [],
      similar: [{ id: first.manifest.run_id }],
      unobserved: null,
    });
  });

  it("tells what drifted since, and that the runtime is another one", async () => {
    await using lab = new Lab();
    await applied(lab);
    await labRun(lab, ["exit", "4"]);
    await applied(lab, { sandbox: { ...SANDBOX, env: { NEW: "1" } } });
    const found = await triage(lab);
    expect(found.runtime).toMatchObject({ config: "match", same: false });
    expect(found.drift).toMatchObject([{ field: "spec_hash", before: found.run.spec_hash }]);
  });

  it("says why nothing can be said of the runtime", async () => {
    await using lab = new Lab();
    await applied(lab);
    await labRun(lab, ["exit", "4"]);
    lab.world.inject({
      op: "observe",
      effect: { kind: "fail", when: "before", as: "unreachable", message: "no engine" },
    });
    expect(await triage(lab)).toMatchObject({
      runtime: null,
      unobserved: expect.stringContaining("no engine"),
    });
  });
});

describe("a repetition", () => {
  it("is the same command under the same: nothing differs", async () => {
    await using lab = new Lab();
    await applied(lab);
    const { manifest } = await labRun(lab, ["exit", "4"], {
      env: { A: "1" },
      timeoutMs: 5_000,
      source: "task",
    });
    const { request, differences } = repetitionOf(manifest, { A: "2" });
    expect(request).toEqual({
      agent: "a",
      session: "main",
      argv: ["exit", "4"],
      source: "task",
      env: { A: "2" },
      envMode: "inherit",
      timeoutMs: 5_000,
    });
    const again = await labRun(lab, request.argv, request);
    expect(again.manifest.exit_code).toBe(4);
    expect([...differences, ...differencesBetween(manifest, again.manifest)]).toEqual([]);
  });

  it("says exactly what is not as it was", async () => {
    await using lab = new Lab();
    await applied(lab);
    const before = (await labRun(lab, ["true"], { env: { GONE: "1" } })).manifest;
    await applied(lab, { sandbox: { backend: "docker", docker: { image: "img:b" } } });
    const { request, differences } = repetitionOf(before, {});
    expect(differences).toEqual([{ field: "env", before: "GONE", now: null }]);
    const now = (await labRun(lab, request.argv, request)).manifest;
    expect(differencesBetween(before, now).map((each) => each.field)).toEqual(["image"]);
  });

  it("is refused where there is nothing to repeat, with why", async () => {
    await using lab = new Lab({ env: { SRC: "hunter2" } });
    await applied(lab, { sandbox: { ...SANDBOX, secrets: { T: { env: "SRC" } } } });
    const { manifest } = await labRun(lab, ["echo", "hunter2"]);
    expect(() => repetitionOf(manifest, {})).toThrow(/secret among its arguments/);
    expect(() => repetitionOf({ ...manifest, argv: [] }, {})).toThrow(/no command to repeat/);
  });
});

describe("what an ending means", () => {
  const base = async (lab: Lab): Promise<RunManifest> => {
    await applied(lab);
    return runManifestSchema.parse((await labRun(lab, ["true"])).manifest);
  };

  it("is said of every class, and what to do next", async () => {
    await using lab = new Lab();
    const run = await base(lab);
    const told = [...RUN_EXIT_CLASSES, null].map((exit_class) => diagnose({ ...run, exit_class }));
    expect(new Set(told.map(({ what }) => what)).size).toBe(RUN_EXIT_CLASSES.length + 1);
    for (const { what, next } of told) {
      expect(what).not.toMatch(/undefined|null/);
      expect(next.length).toBeGreaterThan(10);
    }
  });
});
