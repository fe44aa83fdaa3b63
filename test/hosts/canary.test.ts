// A canary in a real directory sandbox, what is kept of it, and what its failure keeps from being made.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import { groupOf, judgePromises } from "../../src/hosts/canary/checks.ts";
import { deltaOf } from "../../src/hosts/canary/delta.ts";
import type { CanaryRequest } from "../../src/hosts/canary/run.ts";
import { runCanary } from "../../src/hosts/canary/run.ts";
import { shortagesOf, tellShortages, weighHost } from "../../src/hosts/headroom.ts";
import { parseAnswer } from "../../src/hosts/parse.ts";
import { lookAtHost } from "../../src/hosts/survey.ts";
import { canaryReportSchema } from "../../src/model/canary.ts";
import { listFleet } from "../../src/plan/listing.ts";
import { fleetPosture } from "../../src/plan/posture.ts";
import { loadFleet } from "../../src/policy/fleet.ts";
import type { Engine } from "../../src/reconcile.ts";
import { planFleet, reconcile } from "../../src/reconcile.ts";
import { trendOf } from "../../src/render/canary.ts";
import { readCanaries } from "../../src/state/canaries.ts";
import { fleetState } from "../../src/state/directory.ts";
import { readHostStanding } from "../../src/state/host-standing.ts";
import { realWait } from "../../src/util/wait.ts";
import { answer, LOOKED } from "./answers.ts";

let folder: string;
let ids = 0;
let notes: string[] = [];
let now = 1_893_456_000_000;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-canary-"));
  notes = [];
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

function engine(): Engine {
  return {
    drivers: builtInDrivers,
    stateDir: join(folder, "state"),
    cwd: folder,
    env: { HOME: folder, PATH: process.env["PATH"] ?? "", DOCKER_HOST: "unix:///nonexistent/docker.sock" },
    now: () => (now += 1000),
    wait: realWait,
    randomId: () => (++ids).toString(16).padStart(16, "0"),
    sink: {
      notify: (event) => (event.type === "note" ? notes.push(`${event.code} ${event.message}`) : undefined),
    },
    toolVersion: "0.0.0",
  };
}

async function config(more = ""): Promise<void> {
  await writeFile(
    join(folder, "sandkeep.toml"),
    `version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\n[sandbox.workspace]\naccess = "none"\n[agents.main]\n${more}`,
  );
}

async function canary(request: Partial<CanaryRequest> = {}) {
  const outcome = await runCanary(engine(), { keep: false, ...request });
  if (outcome.status === "invalid") throw new Error(JSON.stringify(outcome.diagnostics));
  return outcome.report;
}

const state = () => fleetState(join(folder, "state"), "team");
const statuses = (report: Awaited<ReturnType<typeof canary>>) =>
  Object.fromEntries(report.steps.map(({ step, status }) => [step, status]));
/** Nothing of it can run: there is no shell to be found. */
const BROKEN = { env: { PATH: "/nonexistent" } };

// Each makes a sandbox or more, and looks at the machine around it.
describe("a canary", { timeout: 120_000 }, () => {
  test("is made by the fleet's defaults, tried, removed, and kept as a report", async () => {
    const sent: unknown[] = [];
    const server = createServer((request, reply) => {
      let text = request.headers.authorization ?? "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        sent.push(text);
        reply.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const at = server.address();
      const url = typeof at === "object" && at !== null ? `http://127.0.0.1:${String(at.port)}/in` : "";
      await writeFile(join(folder, "token"), "s3cret\n");
      await config(`[telemetry]\nexport = "http"\nurl = "${url}"\ntoken = { file = "token" }\n`);
      const report = await canary();
      expect(canaryReportSchema.parse(report)).toEqual(report);
      expect(report).toMatchObject({
        verdict: "passed",
        host: "local",
        backend: "local",
        exit_code: 0,
        exported: url,
      });
      expect(statuses(report)).toEqual({
        provision: "passed",
        exec: "passed",
        files: "passed",
        limits: "not_applicable",
        network: "not_applicable",
        isolation: "not_applicable",
        removal: "passed",
      });
      expect(report.before?.processes).toBeGreaterThan(0);
      expect(report.provision_delta?.directories).toBe(1);
      expect(report.destroy_delta?.directories).toBe(-1);
      expect(sent).toHaveLength(1);
      expect(sent[0]).toMatch(/^Bearer s3cret\{/);
      expect(JSON.stringify(report)).not.toContain("s3cret");
      expect(await readCanaries(state(), { host: "local", most: 5 })).toEqual([report]);
      expect(await readCanaries(state(), { host: "other", most: 5 })).toEqual([]);
      const listed = await listFleet(engine(), { all: true });
      expect(listed).toMatchObject({ listing: { orphans: [], runtimes: [{ address: "agent/main" }] } });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("that fails keeps new sandboxes from its host, and no others; existing ones stay, and one that passes ends it", async () => {
    await config();
    const approve = async (): Promise<boolean> => true;
    const apply = { intent: { mode: "apply" } } as const;
    await reconcile(engine(), apply, { approve });
    await config("[agents.late]\n");
    const failed = await canary({ profile: BROKEN });
    expect(failed).toMatchObject({ verdict: "failed", exit_code: 1 });
    expect(statuses(failed)).toMatchObject({ provision: "passed", exec: "failed", removal: "passed" });

    const planned = await planFleet(engine(), apply);
    if (planned.status === "invalid") throw new Error("invalid");
    expect(planned.plan).toMatchObject({
      exit_code: 3,
      blocked: [
        { address: "agent/late", rule: "host", fix: expect.stringContaining("sandkeep canary --host local") },
      ],
    });
    const applied = await reconcile(engine(), apply, { approve });
    expect(applied).toMatchObject({ status: "applied", result: { exit_code: 3 } });
    const posture = await fleetPosture(engine(), {});
    expect(posture).toMatchObject({
      posture: { status: "degraded", engines: [{ reasons: [{ code: "canary-failed" }] }] },
    });
    const listed = await listFleet(engine(), { all: true });
    expect(listed).toMatchObject({
      listing: {
        degraded_hosts: [{ host: "local", by: "canary", blocks: true }],
        runtimes: [
          { address: "agent/late", status: "missing" },
          { address: "agent/main", status: "running" },
        ],
      },
    });

    expect(await canary()).toMatchObject({ verdict: "passed" });
    expect(await readHostStanding(state())).toEqual([]);
    expect(await reconcile(engine(), apply, { approve })).toMatchObject({ result: { exit_code: 0 } });
    expect(notes.filter((each) => each.startsWith("CANARY "))).toHaveLength(2);
    const history = await readCanaries(state(), { host: undefined, most: 10 });
    expect(history.map(({ verdict }) => verdict)).toEqual(["failed", "passed"]);
  });

  test("of a host that nobody declared is refused, and names those that are", async () => {
    await config('[hosts.b]\nssh = { target = "nobody@127.0.0.1:1" }\n');
    for (const request of [{ host: "typo" }, { profile: { host: "typo" } }])
      await expect(canary(request)).rejects.toMatchObject({
        message: 'there is no host "typo"',
        hint: expect.stringContaining("local, b"),
        exitCode: 64,
      });
    expect(await readCanaries(state(), { host: undefined, most: 5 })).toEqual([]);
  });

  test("is made where it is asked for, by the engine that an agent has there, and never here instead", async () => {
    await config(
      '[hosts.b]\nssh = { target = "nobody@127.0.0.1:1" }\n[agents.far.sandbox]\nbackend = "ssh"\nhost = "b"\n',
    );
    const report = await canary({ host: "b" });
    expect(report).toMatchObject({ host: "b", backend: "ssh", verdict: "failed" });
    expect(statuses(report)).toMatchObject({ provision: "failed", exec: "skipped" });
    expect(await canary({ host: "local" })).toMatchObject({ backend: "local", verdict: "passed" });
    expect(await readHostStanding(state())).toMatchObject([{ host: "b", by: "canary" }]);
    const refused = await runCanary(engine(), { keep: false, host: "b", profile: { backend: "local" } });
    expect(refused).toMatchObject({ status: "invalid", diagnostics: [{ code: "local-with-host" }] });
  });

  test("of a backend that keeps no sandboxes is refused, and says nothing against the host", async () => {
    await config();
    const buildkit = { endpoint: "tcp://127.0.0.1:1", image: "busybox:1" };
    await expect(canary({ profile: { backend: "buildkit", buildkit } })).rejects.toMatchObject({
      code: "USAGE",
      exitCode: 64,
    });
    expect(await readHostStanding(state())).toEqual([]);
  });

  test("that is kept stays, and goes by its own time; a report that cannot be exported fails nothing", async () => {
    await writeFile(join(folder, "in-the-way"), "");
    await config('[telemetry]\nexport = "file"\nfile = "in-the-way/reports.jsonl"\n');
    const report = await canary({ keep: true });
    expect(report).toMatchObject({ verdict: "passed", kept: true, destroy_delta: null, exported: null });
    expect(report.notes.join()).toContain("could not be exported");
    const listed = await listFleet(engine(), { all: true });
    expect(JSON.stringify(listed)).toContain(report.address);
    await config('[telemetry]\nexport = "file"\nfile = "reports.jsonl"\n');
    await canary();
    const lines = (await readFile(join(folder, "reports.jsonl"), "utf8")).trim().split("\n");
    expect(lines.map((line) => canaryReportSchema.parse(JSON.parse(line)).verdict)).toEqual(["passed"]);
  });
});

test("promises are judged in groups; what cannot be looked at is not applicable, and never passed", () => {
  expect(
    ["docker.memory", "docker.ulimits.nofile", "docker.network", "egress.allow", "docker.user"].map(groupOf),
  ).toEqual(["limits", "limits", "network", "network", "isolation"]);
  const check = (path: string, status: "held" | "broken" | "unknown") => ({
    path,
    status,
    asked: 1,
    found: 2,
    why: "so",
  });
  const judge = (...checks: Parameters<typeof judgePromises>[0]) => judgePromises(checks, "limits").status;
  expect(judge()).toBe("not_applicable");
  expect(judge(check("docker.network", "broken"))).toBe("not_applicable");
  expect(judge(check("docker.memory", "unknown"))).toBe("not_applicable");
  expect(judge(check("docker.memory", "held"), check("docker.pids", "unknown"))).toBe("passed");
  expect(judge(check("docker.memory", "held"), check("docker.pids", "broken"))).toBe("failed");
});

test("a host that cannot be looked at has no delta", () => {
  const { snapshot } = parseAnswer(answer(), LOOKED, []);
  expect(deltaOf(null, snapshot)).toBeNull();
  expect(deltaOf(snapshot, { ...snapshot, load: [0.75, 0, 0], memory: null })).toMatchObject({
    load_1m: 0.25,
    memory_available: null,
    disk_available: [{ mount: "/", bytes: 0 }],
    containers: 0,
  });
});

test("the trend has one mark a canary, and x where it failed", () => {
  const one = (provision_ms: number | null, verdict: "passed" | "failed" = "passed") => ({
    id: "c",
    host: "local",
    backend: "local",
    started_at: "2030-01-01T00:00:00.000Z",
    duration_ms: 1,
    provision_ms,
    verdict,
    why: "",
  });
  expect(trendOf([one(0), one(500), one(1000), one(null, "failed")], { unicode: true })).toBe("▁▅█x");
  expect(trendOf([one(0), one(1000)], { unicode: false })).toBe(".#");
});

test("limits that are passed are told once, and press back only where that is asked for", async () => {
  const { snapshot } = parseAnswer(answer(), LOOKED, []);
  const gib = 1024 ** 3;
  expect(
    shortagesOf(snapshot, 0, { disk_min_free: 1, memory_min_free: 1, max_stale: 0, back_pressure: true }),
  ).toEqual([]);
  expect(
    shortagesOf({ disks: [], memory: null }, 0, {
      disk_min_free: gib,
      memory_min_free: gib,
      back_pressure: true,
    }),
  ).toEqual([]);
  const limits = { disk_min_free: gib, memory_min_free: 100 * gib, max_stale: 2, back_pressure: false };
  const shortages = shortagesOf(snapshot, 3, limits);
  expect(shortages.map((each) => each.of)).toEqual(["disk", "memory", "stale"]);
  expect(shortages.map((each) => each.why).join("; ")).toContain("3 stale things, more than max_stale = 2");
  for (let twice = 0; twice < 2; twice += 1)
    await tellShortages(engine(), state(), "here", shortages, limits);
  expect(notes).toHaveLength(1);
  const told = async (more: string) => {
    await config(
      `[agents.late.sandbox]\nbackend = "docker"\nhost = "here"\ndocker = { image = "busybox:1" }\n[hosts.here]\ndocker = "unix:///nonexistent/docker.sock"\n${more}`,
    );
    const listed = await listFleet(engine(), { all: true });
    if (listed.status === "invalid") throw new Error(JSON.stringify(listed.diagnostics));
    const posture = JSON.stringify(await fleetPosture(engine(), {})).includes("host-headroom");
    const hosts = (listed.listing.degraded_hosts ?? []).map(({ host, blocks }) => [host, blocks]);
    return { hosts, posture };
  };
  const pressing = "max_stale = 2\nback_pressure = true\n";
  expect(await told("max_stale = 2\n")).toEqual({ hosts: [["here", false]], posture: true });
  await tellShortages(engine(), state(), "here", shortages, { ...limits, back_pressure: true });
  expect(await told(pressing)).toEqual({ hosts: [["here", true]], posture: true });
  // What left the config presses no more, though nobody has looked since.
  expect(await told("max_stale = 2\n")).toEqual({ hosts: [["here", false]], posture: true });
  expect(await told("")).toEqual({ hosts: [], posture: false });
  await tellShortages(engine(), state(), "here", [], limits);
  expect(await told(pressing)).toEqual({ hosts: [], posture: false });
  expect(notes.at(-1)).toBe("HOST_HEADROOM host here has room again");
});

test("each look weighs its host anew, and frees it where there is room or no limit any more", async () => {
  const weigh = async (limits: string) => {
    await config(`[hosts.here]\ndocker = "unix:///nonexistent/docker.sock"\n${limits}`);
    const { cwd, env, drivers, stateDir } = engine();
    const fleet = await loadFleet({ cwd, env, drivers, stateDir });
    if (fleet.status === "invalid") throw new Error(JSON.stringify(fleet.diagnostics));
    await weighHost(engine(), fleet, await lookAtHost(engine(), fleet, "here"));
    return (await readHostStanding(state())).map(({ host, blocks }) => [host, blocks]);
  };
  const most = 'disk_min_free = "7000TiB"\n';
  expect(await weigh(`${most}back_pressure = true\n`)).toEqual([["here", true]]);
  expect(await weigh('disk_min_free = "1B"\nback_pressure = true\n')).toEqual([]);
  expect(await weigh(most)).toEqual([["here", false]]);
  expect(await weigh("")).toEqual([]);
});
