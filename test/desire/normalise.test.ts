import { BUILT_IN } from "../../src/resolve/defaults.ts";
import { describe, expect, it } from "vitest";
import { normaliseSpec } from "../../src/desire/normalise.ts";
import type { Host, Settings } from "../../src/model/settings.ts";
import { memory, paths, settingsOf } from "../support/runtimes.ts";

const normalise = (more: Partial<Settings> = {}, host?: Host) =>
  normaliseSpec("sandbox", settingsOf(more), memory, host, paths).values;

describe("the normalised spec", () => {
  it("holds what shapes a runtime and nothing else", () => {
    expect(normalise()).toEqual({
      workspace: { access: "rw", source: "/repo", target: "/workspace", provider: "bind" },
      env: {},
      secrets: {},
      setup: [],
      memory: { network: "none" },
    });
    const policy = {
      mode: "non-main",
      scope: "shared",
      protect: true,
      provision: "on-use",
      prune: { idle: "off", max_age: 5 },
      disruption: { when: "never", max_wait: "off" },
      salvage: { ...BUILT_IN.salvage, when: "always" },
    } as const;
    expect(normalise(policy)).toEqual(normalise());
  });

  it("says that writes are staged, and nothing of direct ones, as ever", () => {
    expect(normalise({ writes: "staged" })).toEqual({ ...normalise(), writes: "staged" });
    expect(normalise({ writes: "direct" })).not.toHaveProperty("writes");
  });

  it("tells the workspace's real path, and none where it gives no access", () => {
    const workspace = { source: "/link/repo", access: "ro", target: "/w" } as const;
    expect(normalise({ workspace })["workspace"]).toMatchObject({ source: "/real/repo", access: "ro" });
    const none = { ...workspace, access: "none" } as const;
    expect(normalise({ workspace: none })["workspace"]).toEqual({
      access: "none",
      target: "/w",
      provider: "own",
    });
  });

  it("takes the provider that the driver chose for the host", () => {
    expect(normalise({}, { name: "b1", labels: {} })["workspace"]).toMatchObject({ provider: "volume" });
  });

  it("keeps references to secrets, never values", () => {
    const secrets = {
      A: { env: "TOKEN" },
      B: { file: "/run/b" },
      C: { command: ["pass", "show", "c"] },
    };
    expect(normalise({ secrets })["secrets"]).toEqual(secrets);
  });

  it("copies what it takes, so that no later change reaches a spec", () => {
    const setup = ["one"];
    const ready = { command: ["true"], timeout: 1, interval: 1 };
    const values = normalise({ setup, ready });
    setup.push("two");
    ready.command.push("x");
    expect(values).toMatchObject({ setup: ["one"], ready: { command: ["true"], timeout: 1, interval: 1 } });
  });
});
