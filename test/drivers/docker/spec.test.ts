import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import type { PathFacts } from "../../../src/drivers/driver.ts";
import type { JsonObject } from "../../../src/model/json.ts";

const facts: PathFacts = {
  root: "/repo",
  home: "/home/me",
  realPath: (path) => path.replace(/^\/link\b/, "/real"),
  unseen: () => undefined,
  found: () => undefined,
  readText: (path) => (path === "/repo/profile.json" ? '{ "b": 1,\n "a": [] }' : undefined),
};
const normalise = (options: JsonObject): JsonObject => dockerDriver.normalise(options, facts);

describe("a normalised docker section", () => {
  it("has one golden form for version 1 of the hash", () => {
    const section = normalise({
      image: "node:22",
      binds: [
        { source: "/link/x", target: "/z/", mode: "rw" },
        { source: "~/cache", target: "/a", mode: "ro" },
        { source: "data", target: "/z", mode: "ro" },
      ],
      memory: 1024,
      cpus: 1.5,
      ulimits: { nofile: 10, nproc: { soft: 1, hard: 2 } },
      tmpfs: ["/tmp:size=1m,exec", "/run/"],
      cap_drop: ["NET_RAW", "ALL", "NET_RAW"],
      seccomp: "profile.json",
      extra_hosts: ["b:1.1.1.1", "a:1.1.1.1"],
      dns: ["9.9.9.9", "1.1.1.1"],
      network: "default",
      allowed_roots: ["shared"],
    });
    expect(section).toEqual({
      image: "node:22",
      image_policy: "missing",
      binds: [
        { source: "/home/me/cache", target: "/a", mode: "ro" },
        { source: "/repo/data", target: "/z", mode: "ro" },
      ],
      network: "bridge",
      memory: 1024,
      memory_swap: 2048,
      cpus: 1.5,
      pids: 512,
      ulimits: { nofile: { soft: 10, hard: 10 }, nproc: { soft: 1, hard: 2 } },
      tmpfs: ["/run", "/tmp:exec,size=1m"],
      read_only_root: true,
      cap_drop: ["ALL", "NET_RAW"],
      seccomp: '{"b":1,"a":[]}',
      dns: ["9.9.9.9", "1.1.1.1"],
      extra_hosts: ["a:1.1.1.1", "b:1.1.1.1"],
      init: true,
      no_new_privileges: true,
      restart: "no",
      allowed_roots: ["/repo/shared"],
    });
  });

  it("says nothing for what is empty, and keeps the path of a profile that cannot be read", () => {
    const section = normalise({
      binds: [],
      tmpfs: [],
      labels: {},
      cap_drop: [],
      memory_swap: 5,
      seccomp: "none.json",
    });
    for (const key of ["binds", "tmpfs", "labels", "cap_drop", "memory_swap"])
      expect(section).not.toHaveProperty(key);
    expect(section["seccomp"]).toBe("/repo/none.json");
    expect(normalise({ seccomp: "default" })).not.toHaveProperty("seccomp");
  });

  it.each([
    [0.3333333333, 0.333333333],
    [0.12345678951, 0.12345679],
    [2 / 3, 0.666666667],
    [1.5, 1.5],
    [0.1 + 0.2, 0.3],
  ])("has %d cores as exactly as an engine keeps them", (cpus, kept) => {
    expect(normalise({ cpus })).toMatchObject({ cpus: kept });
  });

  it("leaves the cores of every spec that an engine could ever be given as they are", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e7, max: 4096e9 }), (nano) => {
        expect(normalise({ cpus: Number(`${nano}e-9`) })["cpus"]).toBe(Number(`${nano}e-9`));
      }),
    );
  });

  it("is the same for every order of its sets, and for itself", () => {
    const path = fc.constantFrom("/a", "/b", "/c/d", "/tmp");
    const options = fc.record({
      cap_drop: fc.uniqueArray(fc.constantFrom("ALL", "NET_RAW", "CHOWN")),
      extra_hosts: fc.uniqueArray(fc.constantFrom("a:1.1.1.1", "b:1.1.1.1", "c:2.2.2.2")),
      tmpfs: fc.uniqueArray(path),
      binds: fc.uniqueArray(fc.record({ source: path, target: path, mode: fc.constantFrom("ro", "rw") }), {
        selector: ({ target }) => target,
      }),
      memory: fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined }),
      pids: fc.oneof(fc.integer({ min: 1, max: 999 }), fc.constant("unlimited")),
    });
    fc.assert(
      fc.property(options, (input) => {
        const once = normalise(input);
        const turned = {
          ...input,
          cap_drop: input.cap_drop.toReversed(),
          extra_hosts: input.extra_hosts.toReversed(),
          tmpfs: input.tmpfs.toReversed(),
          binds: input.binds.toReversed(),
        };
        expect(normalise(turned)).toEqual(once);
        expect(normalise(once)).toEqual(once);
        expect(Object.values(once)).not.toContain(null);
      }),
    );
  });
});
