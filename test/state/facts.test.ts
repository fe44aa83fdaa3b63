import { chmod, mkdir, readFile, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readActivity, recordActivity } from "../../src/state/activity.ts";
import { readDeferred, recordDeferred } from "../../src/state/deferred.ts";
import { fleetState, ownerId, readOwnerId, stateDirectory } from "../../src/state/directory.ts";
import { formerEndpoints, readEndpoints, rememberEndpoints } from "../../src/state/endpoints.ts";
import { readFacts } from "../../src/state/facts.ts";
import { hold, readHolds, release } from "../../src/state/holds.ts";
import { openRun, readOpenRuns, sweepOpenRuns } from "../../src/state/open-runs.ts";
import { readStateKey, stateKey } from "../../src/state/secret-key.ts";
import { readSightings, recordSightings } from "../../src/state/sightings.ts";
import { recordUpdate } from "../../src/state/updates.ts";
import { encodeFileName } from "../../src/util/file-name.ts";
import { ownIdentity } from "../../src/util/process-identity.ts";
import { asAnybody } from "../support/anybody.ts";
import type { Children } from "./processes-kit.ts";
import { compileChildren } from "./processes-kit.ts";
import { temporaryDirectory, temporaryState } from "./temporary.ts";

const EMPTY = {
  owner: "unowned",
  changing: false,
  open_runs: [],
  holds: [],
  activity: {},
  sightings: {},
  updates: {},
  deferred: {},
  left_alone: [],
  hosts: [],
};

describe("the state directory", () => {
  it.each([
    [
      "a flag wins",
      { SANDKEEP_STATE_DIR: "/env", XDG_STATE_HOME: "/xdg", HOME: "/home/u" },
      "/flag",
      "/flag",
    ],
    [
      "then its variable",
      { SANDKEEP_STATE_DIR: "/env", XDG_STATE_HOME: "/xdg", HOME: "/home/u" },
      undefined,
      "/env",
    ],
    ["then XDG", { XDG_STATE_HOME: "/xdg", HOME: "/home/u" }, undefined, "/xdg/sandkeep"],
    [
      "a relative XDG path is ignored",
      { XDG_STATE_HOME: "xdg", HOME: "/home/u" },
      undefined,
      "/home/u/.local/state/sandkeep",
    ],
    ["then the home directory", { HOME: "/home/u" }, undefined, "/home/u/.local/state/sandkeep"],
  ])("%s", (_title, env, flag, expected) => {
    expect(stateDirectory(env, flag)).toBe(expected);
  });

  it("keeps fleets apart and is named without touching the disk", async () => {
    const base = join(await temporaryDirectory(), "not-there");
    expect(fleetState(base, "a").dir).not.toBe(fleetState(base, "b").dir);
    expect(dirname(fleetState(base, "..").dir)).toBe(join(base, "fleets"));
    await expect(stat(base)).rejects.toThrow("ENOENT");
  });
});

describe("facts", () => {
  it("of a directory that does not exist are empty, and reading them creates nothing", async () => {
    const { state } = await temporaryState();
    expect(await readFacts(state, 1)).toEqual(EMPTY);
    expect(await readdir(state.base)).toEqual([]);
  });

  it("come back as they were recorded", async () => {
    const { state, problems } = await temporaryState();
    const owner = await ownerId(state.base);
    await recordActivity(state, "session/agent:work:pr-12", 10);
    await recordActivity(state, "session/agent:work:pr-12", 20);
    await recordSightings(state, ["id1", "id2"], 30);
    await recordUpdate(state, "id1", { "docker.memory": 7, "docker.cpus": null });
    await recordDeferred(state, ["agent/a v1:sha256:00"], 40);
    await hold(state, { address: "shared", reason: "debugging", by: "ann", since: 50 });
    await using run = await openRun(state, {
      run_id: "r1",
      address: "shared",
      agent: "a",
      session: "main",
      now: () => 60,
    });
    expect(run.run_id).toBe("r1");
    expect(await readFacts(state, 100)).toEqual({
      owner,
      changing: false,
      open_runs: [{ run_id: "r1", address: "shared", agent: "a", session: "main", started_at: 60 }],
      holds: [{ address: "shared", reason: "debugging", by: "ann", since: 50 }],
      activity: { "session/agent:work:pr-12": 20 },
      sightings: { id1: 30, id2: 30 },
      updates: { id1: { "docker.memory": 7, "docker.cpus": null } },
      deferred: { "agent/a v1:sha256:00": 40 },
      left_alone: [],
      hosts: [],
    });
    expect(problems).toEqual([]);
  });

  it("are private: directories 0700, files 0600", async () => {
    const { state } = await temporaryState();
    await stateKey(state.base);
    await recordActivity(state, "shared", 1);
    await hold(state, { address: "shared", reason: "r", by: "b", since: 1 });
    for (const path of [state.dir, join(state.dir, "activity")]) {
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
    for (const path of [
      join(state.base, "secret-key"),
      join(state.dir, "holds.json"),
      join(state.dir, "activity/shared.json"),
    ]) {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
  });

  it("survive any damage: readers report it, writers set the file aside", async () => {
    const damages = [
      "",
      "{",
      '{"v":1,"since":{"a":',
      "null",
      '{"v":2,"since":{}}',
      '{"v":1,"since":{"a":"b"}}',
      "\0\0\0",
    ];
    for (const text of damages) {
      const { state, problems } = await temporaryState();
      await mkdir(state.dir, { recursive: true });
      await writeFile(join(state.dir, "sightings.json"), text);
      expect(await readFacts(state, 1)).toEqual(EMPTY);
      expect(await readdir(state.dir)).toEqual(["sightings.json"]);
      await recordSightings(state, ["a"], 5);
      expect(await readSightings(state)).toEqual({ a: 5 });
      expect(await readFile(join(state.dir, "sightings.json.quarantined-1"), "utf8")).toBe(text);
      expect(problems.map(({ code, file }) => [code, file])).toEqual([
        ["state-file-damaged", join(state.dir, "sightings.json")],
        ["state-file-damaged", join(state.dir, "sightings.json.quarantined-1")],
      ]);
    }
  });

  it("survive a directory where a file should be, and files that are not ours", async () => {
    const { state, problems } = await temporaryState();
    await mkdir(join(state.dir, "holds.json"), { recursive: true });
    await mkdir(join(state.dir, "activity"), { recursive: true });
    await writeFile(join(state.dir, "activity", "README"), "hello");
    await writeFile(join(state.dir, "activity", "a b.json"), '{"v":1,"at":1}');
    await writeFile(join(state.dir, "activity", "shared.json"), "{");
    expect(await readFacts(state, 1)).toMatchObject({ ...EMPTY, holds: [{ address: "fleet" }] });
    await hold(state, { address: "shared", reason: "r", by: "b", since: 1 });
    expect(await readHolds(state, 2)).toHaveLength(2);
    expect(problems.length).toBeGreaterThan(1);
  });

  it("numbers what it sets aside instead of overwriting it", async () => {
    const { state } = await temporaryState();
    await mkdir(state.dir, { recursive: true });
    for (const n of [1, 2, 3]) {
      await writeFile(join(state.dir, "holds.json"), `torn ${n}`);
      await hold(state, { address: "shared", reason: "r", by: "b", since: n });
      expect(await readFile(join(state.dir, `holds.json.quarantined-${n}`), "utf8")).toBe(`torn ${n}`);
    }
  });
});

describe("first-seen times", () => {
  it("stay as they were; what is no longer given is forgotten, and starts anew when it comes back", async () => {
    const { state } = await temporaryState();
    await recordSightings(state, ["a", "b"], 1);
    await recordSightings(state, ["b", "c"], 2);
    expect(await readSightings(state)).toEqual({ b: 1, c: 2 });
    await recordSightings(state, ["a", "b"], 3);
    expect(await readSightings(state)).toEqual({ a: 3, b: 1 });
    await recordDeferred(state, ["constructor"], 4);
    expect(await readDeferred(state)).toEqual({ constructor: 4 });
  });

  it("write nothing when nothing changed", async () => {
    const { state } = await temporaryState();
    await recordSightings(state, [], 1);
    await expect(stat(state.dir)).rejects.toThrow("ENOENT");
    await recordSightings(state, ["a"], 1);
    const before = await stat(join(state.dir, "sightings.json"));
    await recordSightings(state, ["a"], 2);
    expect((await stat(join(state.dir, "sightings.json"))).ino).toBe(before.ino);
  });
});

describe("holds", () => {
  it("replace one another by address, expire, and are released", async () => {
    const { state } = await temporaryState();
    await hold(state, { address: "shared", reason: "one", by: "ann", since: 1 });
    await hold(state, { address: "shared", reason: "two", by: "ann", since: 2, until: 100 });
    await hold(state, { address: "fleet", reason: "freeze", by: "bob", since: 3 });
    expect((await readHolds(state, 99)).map((each) => each.reason)).toEqual(["freeze", "two"]);
    expect((await readHolds(state, 100)).map((each) => each.reason)).toEqual(["freeze"]);
    expect(await release(state, "fleet")).toBe(true);
    expect(await release(state, "fleet")).toBe(false);
    expect(await readHolds(state, 100)).toEqual([]);
  });
});

describe("caches", () => {
  it("keep endpoints", async () => {
    const { state } = await temporaryState();
    await rememberEndpoints(state, []);
    expect(await readdir(state.base)).toEqual([]);
    const remote = { backend: "docker", host: "b1", docker: "ssh://ci@b1", tls: { ca: "/ca.pem" } };
    await rememberEndpoints(state, [remote]);
    const before = await stat(join(state.dir, "endpoints.json"));
    await rememberEndpoints(state, [remote]);
    expect((await stat(join(state.dir, "endpoints.json"))).ino).toBe(before.ino);
    await rememberEndpoints(state, [
      { backend: "local", host: "local" },
      { ...remote, docker: "ssh://ci@b2" },
    ]);
    const old = { ...remote, host: "b1 (was ssh://ci@b1)", former: "b1" };
    expect(await readEndpoints(state)).toEqual([
      { ...remote, docker: "ssh://ci@b2" },
      old,
      { backend: "local", host: "local" },
    ]);
    expect(formerEndpoints([remote], [{ ...remote, docker: "ssh://ci@b2" }])).toEqual([old]);
    await rememberEndpoints(state, [remote]);
    expect((await readEndpoints(state)).map(({ host }) => host)).toEqual([
      "b1",
      "b1 (was ssh://ci@b2)",
      "local",
    ]);
  });
});

describe("ids and keys", () => {
  it("are made once, and reading makes none", async () => {
    const base = join(await temporaryDirectory(), "state");
    expect(await readOwnerId(base)).toBe("unowned");
    expect(await readStateKey(base)).toBeUndefined();
    await expect(stat(base)).rejects.toThrow("ENOENT");
    const [owner, key] = [await ownerId(base), await stateKey(base)];
    expect(await ownerId(base)).toBe(owner);
    expect(await readOwnerId(base)).toBe(owner);
    expect(await readStateKey(base)).toEqual(key);
    expect(key.key).toHaveLength(32);
    expect(Buffer.from(key.key).toString("hex")).not.toContain(key.id);
  });

  it("are made anew when torn, and the torn one is set aside", async () => {
    const base = await temporaryDirectory();
    await writeFile(join(base, "secret-key"), "12ab");
    const codes: string[] = [];
    const key = await stateKey(base, (problem) => codes.push(problem.code));
    expect(await readStateKey(base)).toEqual(key);
    expect(codes).toEqual(["state-file-damaged"]);
    expect(await readFile(join(base, "secret-key.quarantined-1"), "utf8")).toBe("12ab");
  });

  it("that cannot be written are an error that says where", async () => {
    const base = await temporaryDirectory();
    await writeFile(join(base, "file"), "");
    await expect(ownerId(join(base, "file", "below"))).rejects.toMatchObject({
      code: "STATE_IO",
      hint: expect.stringContaining("--state-dir"),
    });
  });

  it("that cannot be read are an error, not a missing file", async () => {
    const base = await temporaryDirectory();
    await ownerId(base);
    await chmod(join(base, "owner-id"), 0);
    // Root reads everything.
    using _anybody = asAnybody();
    await expect(readOwnerId(base)).rejects.toMatchObject({ code: "STATE_IO", exitCode: 77 });
  });
});

describe("open runs", () => {
  let children: Children;
  beforeAll(async () => {
    children = await compileChildren();
  }, 60_000);
  afterAll(async () => children[Symbol.asyncDispose]());

  it("count while their process lives, and are swept only on request", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet);
    expect(await other.ask("run r1")).toBe("open");
    expect((await readOpenRuns(state, Date.now())).map((run) => run.run_id)).toEqual(["r1"]);
    expect(await sweepOpenRuns(state, Date.now())).toEqual([]);
    await other.kill();
    expect(await readOpenRuns(state, Date.now())).toEqual([]);
    expect(await readdir(join(state.dir, "open-runs"))).toHaveLength(1);
    expect(await sweepOpenRuns(state, Date.now())).toEqual(["r1"]);
    expect(await readdir(join(state.dir, "open-runs"))).toEqual([]);
  });

  it("end when disposed, twice without harm", async () => {
    const { state } = await temporaryState();
    const run = await openRun(state, {
      run_id: "../x",
      address: "shared",
      agent: "a",
      session: "main",
      now: () => 5,
    });
    expect(await readOpenRuns(state, 5)).toHaveLength(1);
    await run[Symbol.asyncDispose]();
    await run[Symbol.asyncDispose]();
    expect(await readOpenRuns(state, 5)).toEqual([]);
  });

  it("of another machine count while their heartbeat is fresh", async () => {
    const { state } = await temporaryState();
    const dir = join(state.dir, "open-runs");
    await mkdir(dir, { recursive: true });
    const process = { ...ownIdentity(), boot_id: "another", host: "elsewhere" };
    const file = {
      v: 1,
      run_id: "r",
      address: "shared",
      agent: "a",
      session: "main",
      started_at: 1,
      process,
    };
    await writeFile(join(dir, "r.json"), JSON.stringify(file));
    await utimes(join(dir, "r.json"), 1_000, 1_000);
    expect(await readOpenRuns(state, 1_029_000)).toHaveLength(1);
    expect(await readOpenRuns(state, 1_030_000)).toEqual([]);
  });
});

describe("activity", () => {
  it("of a large fleet is read whole", async () => {
    const { state } = await temporaryState();
    const dir = join(state.dir, "activity");
    await mkdir(dir, { recursive: true });
    await Promise.all(
      Array.from({ length: 500 }, (_, n) =>
        writeFile(join(dir, `${encodeFileName(`agent/a${n}`)}.json`), `{"v":1,"at":${n}}`),
      ),
    );
    const activity = await readActivity(state);
    expect(Object.keys(activity)).toHaveLength(500);
    expect(activity["agent/a499"]).toBe(499);
  });
});
