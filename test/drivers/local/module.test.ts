import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PathFacts } from "../../../src/drivers/driver.ts";
import { localDriver } from "../../../src/drivers/local/index.ts";
import { BUILT_IN } from "../../../src/resolve/defaults.ts";
import type { JsonObject } from "../../../src/model/json.ts";
import type { Settings } from "../../../src/model/settings.ts";
import { bench } from "./fixture.ts";

const facts: PathFacts = {
  root: "/repo",
  home: "/home/me",
  realPath: (path) => path.replace(/^\/link/, "/real"),
  unseen: () => undefined,
  readText: () => undefined,
  found: () => undefined,
};

function settings(access: "none" | "ro" | "rw", options: JsonObject): Settings {
  return {
    mode: "all",
    scope: "agent",
    backend: "local",
    writes: "direct",
    provision: "eager",
    protect: false,
    attest: false,
    setup: [],
    env: {},
    secrets: {},
    workspace: { source: "/repo", access, target: "/workspace" },
    timeouts: BUILT_IN.timeouts,
    prune: { idle: "off", max_age: "off" },
    disruption: { when: "idle", max_wait: "off" },
    salvage: BUILT_IN.salvage,
    options,
  };
}

function paths(access: "none" | "ro" | "rw", options: JsonObject): readonly string[] {
  return localDriver.require(settings(access, options), undefined).map((each) => each.path);
}

function row(path: string) {
  return localDriver.fields.find((each) => each.path === path);
}

describe("the workspace provider", () => {
  test.each([
    ["rw", "none", "link"],
    ["rw", "bubblewrap", "bind"],
    ["ro", "bubblewrap", "bind"],
    ["none", "none", "own"],
    ["none", "bubblewrap", "own"],
  ] as const)("for access %s and isolation %s is %s", (access, isolation, provider) => {
    expect(localDriver.provider(settings(access, { isolation }), undefined)).toBe(provider);
  });
});

describe("the requirements", () => {
  const bind = { source: "/a", target: "/b", mode: "ro" };

  test("name what cannot be enforced without isolation", () => {
    expect(paths("ro", { isolation: "none", network: "none", binds: [bind] })).toEqual([
      "workspace.access",
      "local.network",
      "local.binds",
    ]);
    expect(paths("rw", { isolation: "none", network: "host", binds: [] })).toEqual([]);
    expect(paths("none", {})).toEqual([]);
    const on = (host: string) => localDriver.require({ ...settings("none", {}), host }, undefined);
    expect(on("b")).toMatchObject([{ path: "host", code: "local-with-host" }]);
    expect(on("local")).toEqual([]);
  });

  test("are met by bubblewrap", () => {
    expect(paths("ro", { isolation: "bubblewrap", network: "none", binds: [bind] })).toEqual([]);
  });
});

describe("the normal form", () => {
  test("fills every default", () => {
    expect(localDriver.normalise({}, facts)).toEqual({
      isolation: "none",
      home: "own",
      network: "host",
      binds: [],
    });
    expect(localDriver.normalise({ isolation: "bubblewrap" }, facts)).toMatchObject({ network: "none" });
  });

  test("has real paths, one bind a target (the last), and does not depend on order", () => {
    const isolation = "bubblewrap";
    const one = { source: "/link/a", target: "/a", mode: "ro" };
    const two = { source: "cache", target: "/b", mode: "rw" };
    expect(
      localDriver.normalise({ isolation, binds: [two, { ...one, mode: "rw" }, one] }, facts)["binds"],
    ).toEqual([
      { source: "/real/a", target: "/a", mode: "ro" },
      { source: "/repo/cache", target: "/b", mode: "rw" },
    ]);
    expect(localDriver.normalise({ isolation, binds: [one, two] }, facts)).toEqual(
      localDriver.normalise({ isolation, binds: [two, one] }, facts),
    );
  });

  test("is its own normal form", () => {
    const options = fc.record(
      {
        isolation: fc.constantFrom("none", "bubblewrap"),
        home: fc.constantFrom("own", "user"),
        network: fc.constantFrom("none", "host"),
        binds: fc.array(
          fc.record({
            source: fc.constantFrom("a", "/link/b"),
            target: fc.constantFrom("/x", "/y"),
            mode: fc.constantFrom("ro", "rw"),
          }),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(options, (each) => {
        const once = localDriver.normalise(each, facts);
        expect(localDriver.normalise(once, facts)).toEqual(once);
      }),
    );
  });
});

describe("the field table", () => {
  test("hashes exactly what can only recreate", () => {
    expect(localDriver.fields.filter((each) => each.hashed).map((each) => each.path)).toEqual([
      "workspace.source",
      "workspace.access",
      "workspace.target",
      "workspace.provider",
      "writes",
      "setup",
    ]);
    expect(row("env")?.classify({}, { A: "1" })).toBe("live");
    expect(row("local.isolation")?.classify("none", "bubblewrap")).toBe("live");
    expect(row("local.home")?.classify("own", "user")).toBe("live");
    expect(row("local.home")?.classify(null, "own")).toBe("recreate");
  });

  test("has a row for every key of the normal form", () => {
    for (const key of Object.keys(localDriver.normalise({}, facts)))
      expect(row(`local.${key}`)).toBeDefined();
  });
});

describe("the probe", () => {
  test("tells of a missing bwrap with its fix", async () => {
    await using on = await bench({ PATH: "/nowhere" });
    const probe = await on.driver.probe();
    expect(probe).toMatchObject({ status: "degraded" });
    expect(probe.status === "ready" ? [] : probe.reasons.map((each) => each.code)).toContain(
      "bubblewrap-missing",
    );
  });

  test("finds programs on the given PATH only", async () => {
    await using on = await bench();
    expect(await on.driver.probe()).toEqual({ status: "ready" });
    await using other = await bench({ PATH: join(on.base, "bin") });
    await mkdir(join(on.base, "bin"));
    for (const name of ["bwrap", "script"]) {
      await writeFile(join(on.base, "bin", name), "");
      await chmod(join(on.base, "bin", name), 0o755);
    }
    expect(await other.driver.probe()).toEqual({ status: "ready" });
  });

  test("tells of a state directory that cannot be", async () => {
    await using on = await bench();
    await writeFile(on.stateDir, "a file");
    expect(await on.driver.probe()).toMatchObject({
      status: "unavailable",
      reasons: [{ code: "state-dir-not-writable" }],
    });
    expect(await on.driver.observe(on.scope)).toMatchObject({ status: "unobserved" });
  });
});

test("images are none of its business", async () => {
  await using on = await bench();
  expect(await on.driver.resolveImage("debian:12", "missing")).toEqual({ status: "absent" });
  await expect(on.driver.fetch("debian:12", "missing", () => undefined)).rejects.toMatchObject({
    kind: "terminal",
  });
});
