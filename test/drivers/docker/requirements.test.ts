import { describe, expect, it } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import { BUILT_IN } from "../../../src/resolve/defaults.ts";
import type { JsonObject } from "../../../src/model/json.ts";
import type { Host, Settings } from "../../../src/model/settings.ts";

function settings(options: JsonObject, access: Settings["workspace"]["access"] = "rw"): Settings {
  return {
    mode: "all",
    scope: "agent",
    backend: "docker",
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

const host = (docker?: string): Host => ({
  name: "far",
  labels: {},
  ...(docker === undefined ? {} : { docker }),
});
const codes = (options: JsonObject, where?: Host) =>
  dockerDriver.require(settings(options), where).map(({ code }) => code);
const bind = { source: "/a", target: "/a", mode: "ro" };

const provider = (access: Settings["workspace"]["access"], where?: Host) =>
  dockerDriver.provider(settings({}, access), where);

const NO_REGISTRY = ["image-not-in-a-registry"];

describe("what docker requires", () => {
  it.each<[string, JsonObject, Host | undefined, readonly string[]]>([
    ["nothing more than an image", { image: "a" }, undefined, []],
    ["an image", {}, undefined, ["image-required"]],
    ["nothing of a pinned image", { image: "a", image_policy: "pin" }, undefined, []],
    ["a registry", { image: `sha256:${"a".repeat(64)}`, image_policy: "track" }, undefined, NO_REGISTRY],
    ["a registry", { image: "Team/App", image_policy: "pin" }, undefined, NO_REGISTRY],
    ["enough memory", { image: "a", memory: 1000 }, undefined, ["memory-too-small"]],
    ["memory beside swap", { image: "a", memory_swap: 1e9 }, undefined, ["swap-without-memory"]],
    ["swap above memory", { image: "a", memory: 2e9, memory_swap: 1e9 }, undefined, ["swap-below-memory"]],
    ["some CPU", { image: "a", cpus: 0.001 }, undefined, ["cpus-too-small"]],
    [
      "CPU that an engine would not round to none",
      { image: "a", cpus: 4e-10 },
      undefined,
      ["cpus-too-small"],
    ],
    [
      "targets of their own",
      { image: "a", binds: [bind], tmpfs: ["/a:exec"] },
      undefined,
      ["mount-conflict"],
    ],
    ["the workspace's target", { image: "a", tmpfs: ["/workspace"] }, undefined, ["mount-conflict"]],
    ["no reserved label", { image: "a", labels: { "sandkeep.fleet": "x" } }, undefined, ["label-reserved"]],
    ["binds of this machine", { image: "a", binds: [bind] }, host("unix:///run/other.sock"), []],
    ["no binds elsewhere", { image: "a", binds: [bind] }, host("ssh://me@far"), ["bind-on-remote"]],
    ["an endpoint", { image: "a" }, host(), ["host-without-docker"]],
    ["one that is understood", { image: "a" }, host("ftp://far"), ["endpoint-invalid"]],
  ])("%s", (_, options, where, expected) => {
    expect(codes(options, where)).toEqual(expected);
  });

  it("binds a workspace here, seeds a volume elsewhere, and gives an own one without access", () => {
    expect(provider("rw")).toBe("bind");
    expect(provider("ro", host("unix:///x.sock"))).toBe("bind");
    expect(provider("rw", host("ssh://far"))).toBe("volume");
    expect(provider("ro", host("tcp://far:2376"))).toBe("volume");
    expect(provider("none", host("ssh://far"))).toBe("own");
  });
});
