import { describe, expect, it } from "vitest";
import type { DesiredRuntime } from "../../src/desire/desire.ts";
import { desire } from "../../src/desire/desire.ts";
import { runtimeName } from "../../src/desire/identity.ts";
import { SandkeepError } from "../../src/errors.ts";
import type { ResolvedAgent, ResolvedFleet } from "../../src/model/settings.ts";
import { agentOf, fleetOf, modules, paths, settingsOf } from "../support/runtimes.ts";

function wanted(
  agents: readonly ResolvedAgent[],
  known: readonly string[] = [],
  more: Partial<ResolvedFleet> = {},
): DesiredRuntime[] {
  return desire({ fleet: fleetOf(agents, more), modules, paths, known });
}

const told = (runtimes: readonly DesiredRuntime[]): string[] =>
  runtimes.map((each) => `${each.address} ${each.provision}`);

describe("what a fleet wants", () => {
  it("is one runtime an agent, a session, or for all, sorted by address", () => {
    const sessions = ["main", "review"];
    expect(told(wanted([agentOf("work", {}, sessions), agentOf("main")]))).toEqual([
      "agent/main eager",
      "agent/work eager",
    ]);
    expect(told(wanted([agentOf("work", { scope: "session" }, sessions)]))).toEqual([
      "session/agent:work:main eager",
      "session/agent:work:review eager",
    ]);
    const shared = [agentOf("b", { scope: "shared" }), agentOf("a", { scope: "shared" })];
    const [only, ...others] = wanted(shared);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ address: "shared", agent: "a" });
    expect(only).not.toHaveProperty("session");
  });

  it("is nothing for sessions that run on the host", () => {
    expect(wanted([agentOf("a", { mode: "off" }), agentOf("b", { mode: "non-main" })])).toEqual([]);
    const agents = [agentOf("b", { mode: "non-main", scope: "session" }, ["main", "review"])];
    expect(told(wanted(agents))).toEqual(["session/agent:b:review eager"]);
  });

  it("does not depend on the order of agents or of what is known", () => {
    const agents = [agentOf("a", { scope: "session" }), agentOf("b"), agentOf("c", { scope: "session" })];
    const known = ["session/agent:c:x", "session/agent:a:y", "session/agent:c:x"];
    expect(told(wanted(agents.toReversed(), known.toReversed()))).toEqual(told(wanted(agents, known)));
  });

  it("carries name, session, host and image of each", () => {
    const settings = {
      scope: "session",
      host: "build1",
      options: { image: "img:a", image_policy: "track" },
    } as const;
    const [only] = wanted([agentOf("a", settings)]);
    expect(only).toMatchObject({
      name: runtimeName("sandkeep", "team", "session/agent:a:main"),
      session: "main",
      host: "build1",
      image: { ref: "img:a", policy: "track" },
    });
    expect(wanted([agentOf("a", { options: { image: "img:a" } })])[0]?.image?.policy).toBe("missing");
    expect(wanted([agentOf("a")])[0]).toMatchObject({ host: "local" });
    expect(wanted([agentOf("a")])[0]).not.toHaveProperty("image");
  });

  it("computes agents that share their settings once", () => {
    const settings = settingsOf();
    const agents = ["a", "b"].map((name) => ({ ...agentOf(name), settings }));
    const [a, b] = wanted(agents);
    expect(a?.spec).toBe(b?.spec);
    expect(a?.spec_hash).toBe(b?.spec_hash);
    expect(a?.name).not.toBe(b?.name);
  });

  it("is a bug of ours when a backend's driver is not loaded", () => {
    expect(() => wanted([agentOf("a", { backend: "none" })])).toThrow(SandkeepError);
  });
});

describe("sessions that no config declares", () => {
  const bySession = agentOf("work", { scope: "session" });

  it("are wanted, on use, once their address is known", () => {
    expect(told(wanted([bySession], ["session/agent:work:pr-12"]))).toEqual([
      "session/agent:work:main eager",
      "session/agent:work:pr-12 on-use",
    ]);
  });

  it("change nothing about what is declared", () => {
    const known = ["session/agent:work:main"];
    expect(told(wanted([bySession], known))).toEqual(["session/agent:work:main eager"]);
    const onUse = agentOf("work", { scope: "session", provision: "on-use" });
    expect(told(wanted([onUse], known))).toEqual(["session/agent:work:main on-use"]);
  });

  it.each<[string, ResolvedAgent, string]>([
    ["an agent that is gone", bySession, "session/agent:gone:main"],
    ["an agent that now has one for all its sessions", agentOf("work"), "session/agent:work:pr-12"],
    ["an agent that now has one a session", bySession, "agent/work"],
    ["a fleet that no longer shares", bySession, "shared"],
    ["a mode that is off now", agentOf("work", { scope: "session", mode: "off" }), "session/agent:work:x"],
    [
      "main, where main is on the host",
      agentOf("work", { scope: "session", mode: "non-main" }),
      "session/agent:work:main",
    ],
    ["a browser, which no session yields", bySession, "browser/session/agent:work:pr-12"],
    ["what is no address", bySession, "session/agent:work"],
  ])("are orphans: of %s", (_why, agent, known) => {
    expect(wanted([agent], [known]).map((each) => each.address)).not.toContain(known);
  });

  it("keep a runtime wanted whose only declared session is on the host", () => {
    const agents = [agentOf("work", { mode: "non-main" })];
    expect(wanted(agents)).toEqual([]);
    expect(told(wanted(agents, ["agent/work"]))).toEqual(["agent/work on-use"]);
    const sharing = [agentOf("a"), agentOf("b", { mode: "non-main", scope: "shared" })];
    expect(told(wanted(sharing, ["shared"]))).toEqual(["agent/a eager", "shared on-use"]);
  });
});
