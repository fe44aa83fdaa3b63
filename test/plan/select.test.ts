import { describe, expect, it } from "vitest";
import { SandkeepError } from "../../src/errors.ts";
import { explanationSchema } from "../../src/model/explain.ts";
import { listingSchema } from "../../src/model/listing.ts";
import type { ExplainRequest } from "../../src/plan/explain.ts";
import { explainFleet } from "../../src/plan/explain.ts";
import { flattenSettings } from "../../src/plan/flatten.ts";
import { listFleet } from "../../src/plan/listing.ts";
import type { SelectRequest } from "../../src/plan/select.ts";
import { selectAddresses } from "../../src/plan/select.ts";
import { hold } from "../../src/state/holds.ts";
import { Lab } from "../support/memory-fleet.ts";
import { agentOf } from "../support/runtimes.ts";

const SANDBOX = { backend: "docker", docker: { image: "img:a" } };
const FLEET = {
  sandbox: SANDBOX,
  agents: {
    a: { sessions: ["main", "review"], sandbox: { scope: "session" } },
    b: { sessions: ["main", "deploy"] },
    off: { sandbox: { mode: "off" } },
  },
};

async function fleet(config: object = FLEET): Promise<Lab> {
  const lab = new Lab();
  await lab.write(config);
  await lab.apply();
  return lab;
}

async function select(lab: Lab, request: SelectRequest): Promise<readonly string[] | string> {
  const answer = await selectAddresses(lab.engine(), request);
  if (answer.status === "invalid") throw new Error("the config is invalid");
  return answer.status === "selected" ? answer.addresses : `ambiguous: ${answer.candidates.join(" ")}`;
}

async function explain(lab: Lab, request: ExplainRequest = {}) {
  const answer = await explainFleet(lab.engine(), request);
  if (answer.status === "invalid") throw new Error("the config is invalid");
  expect(explanationSchema.parse(structuredClone(answer.explanation))).toEqual(answer.explanation);
  return answer.explanation.agents;
}

describe("selecting runtimes", () => {
  it.each<[SelectRequest, readonly string[] | string]>([
    [{}, ["agent/b", "session/agent:a:main", "session/agent:a:review"]],
    [{ agent: "a" }, ["session/agent:a:main", "session/agent:a:review"]],
    [{ agent: "nobody" }, []],
    [{ session: "review" }, ["session/agent:a:review"]],
    [{ session: "deploy" }, ["agent/b"]],
    [{ session: "agent:a:main" }, ["session/agent:a:main"]],
    [{ session: "agent:b:anything" }, ["agent/b"]],
    [{ session: "agent:off:main" }, []],
    [{ session: "agent:gone:main" }, []],
    [{ session: "main" }, "ambiguous: agent:a:main agent:b:main agent:off:main"],
    [{ session: "main", agent: "b" }, ["agent/b"]],
    [{ session: "unknown" }, []],
    [{ kind: "browser" }, []],
    [{ drifted: true }, []],
  ])("%j", async (request, expected) => {
    await using lab = await fleet();
    expect(await select(lab, request)).toEqual(expected);
  });

  it("takes what has drifted, by any origin", async () => {
    await using lab = await fleet();
    const [first] = lab.primaries();
    if (first === undefined) throw new Error("nothing was made");
    lab.world.stopBehind(first.name);
    expect(await select(lab, { drifted: true })).toEqual([first.decoded?.address]);
  });

  it("takes the shared runtime for every agent that shares it, and for no other", async () => {
    const shared = {
      sandbox: { ...SANDBOX, scope: "shared" },
      agents: { a: {}, b: { sessions: ["x"] }, c: { sandbox: { scope: "agent" } } },
    };
    await using lab = await fleet(shared);
    expect(await select(lab, { agent: "a" })).toEqual(["shared"]);
    expect(await select(lab, { agent: "b" })).toEqual(["shared"]);
    expect(await select(lab, { session: "x" })).toEqual(["shared"]);
    expect(await select(lab, { agent: "c" })).toEqual(["agent/c"]);
  });
});

describe("explaining", () => {
  it("tells of each session where it runs and why, and of each setting who said so", async () => {
    await using lab = await fleet();
    const [a, b, off] = await explain(lab);
    expect(a?.sessions.map((each) => each.address)).toEqual([
      "session/agent:a:main",
      "session/agent:a:review",
    ]);
    expect(b?.sessions.map((each) => each.address)).toEqual(["agent/b", "agent/b"]);
    expect(off?.sessions).toMatchObject([{ sandboxed: false, address: null }]);
    expect(a?.settings["scope"]).toMatchObject({
      value: "session",
      layer: "agent",
      key: "agents.a.sandbox.scope",
    });
    expect(b?.settings["scope"]).toMatchObject({ layer: "built-in", source: null });
    expect(b?.settings["docker.image"]).toMatchObject({ value: "img:a", layer: "default" });
    expect(off?.fix_it[0]?.why).toContain('"all" sandboxes');
  });

  it("tells what would be done, and why nothing is", async () => {
    await using lab = await fleet();
    const would = async () => (await explain(lab, { agent: "b" }))[0]?.runtimes;
    expect(await would()).toMatchObject([
      { status: "running", would: [{ action: "no-op", why: "as declared" }] },
    ]);
    const [runtime] = lab.primaries().filter(({ decoded }) => decoded?.agent === "b");
    lab.world.stopBehind(runtime?.name ?? "");
    expect(await would()).toMatchObject([{ status: "stopped", would: [{ action: "start" }] }]);
    await hold(lab.state(), { address: "agent/b", reason: "mine", by: "me", since: 0 });
    expect(await would()).toMatchObject([{ would: [{ action: "no-op", why: "held: mine" }] }]);
    lab.world.machine().reachable = false;
    expect(await would()).toMatchObject([{ status: "unreachable", object_id: null }]);
  });

  it("narrows down to an agent, a session or an address, and refuses what is not there or not clear", async () => {
    await using lab = await fleet();
    const names = async (request: ExplainRequest) => (await explain(lab, request)).map(({ agent }) => agent);
    expect(await names({ agent: "b" })).toEqual(["b"]);
    expect(await names({ address: "session/agent:a:main" })).toEqual(["a"]);
    expect(await names({ session: "agent:a:pr-1" })).toEqual(["a"]);
    expect((await explain(lab, { session: "agent:a:pr-1" }))[0]?.sessions).toMatchObject([
      { address: "session/agent:a:pr-1" },
    ]);
    await expect(explain(lab, { agent: "nobody" })).rejects.toMatchObject({
      code: "NO_SUCH_AGENT",
      exitCode: 64,
    });
    const ambiguous = explain(lab, { session: "main" });
    await expect(ambiguous).rejects.toThrow(SandkeepError);
    await expect(ambiguous).rejects.toMatchObject({
      code: "AMBIGUOUS_SESSION",
      hint: expect.stringContaining("agent:a:main"),
    });
  });
});

describe("a listing", () => {
  it("tells match from drift, missing, orphan and unreachable", async () => {
    await using lab = await fleet();
    const rows = async () => {
      const answer = await listFleet(lab.engine(), {});
      if (answer.status === "invalid") throw new Error("the config is invalid");
      expect(listingSchema.parse(structuredClone(answer.listing))).toEqual(answer.listing);
      const told = (some: typeof answer.listing.runtimes) =>
        some.map((each) => `${each.address} ${each.status} ${each.config}`);
      return { runtimes: told(answer.listing.runtimes), orphans: told(answer.listing.orphans) };
    };
    const three = ["agent/b", "session/agent:a:main", "session/agent:a:review"];
    expect(await rows()).toEqual({ runtimes: three.map((each) => `${each} running match`), orphans: [] });
    const named = (address: string) =>
      lab.primaries().find(({ decoded }) => decoded?.address === address)?.name ?? "";
    lab.world.stopBehind(named("agent/b"));
    lab.world.removeBehind(named("session/agent:a:main"));
    await lab.write({
      ...FLEET,
      agents: {
        ...FLEET.agents,
        a: { sessions: ["main"], sandbox: { scope: "session" } },
        b: FLEET.agents.b,
      },
    });
    expect((await rows()).runtimes).toContain("agent/b stopped drift");
    expect((await rows()).runtimes).toContain("session/agent:a:main missing unknown");
    await lab.write({ ...FLEET, agents: { b: FLEET.agents.b } });
    expect((await rows()).orphans).toEqual(["session/agent:a:review running unknown"]);
    lab.world.machine().reachable = false;
    expect((await rows()).runtimes).toEqual(["agent/b unreachable unknown"]);
  });
});

describe("flattened settings", () => {
  it("have one leaf a value; lists and empty tables are leaves, secrets are told as references", () => {
    const leaves = flattenSettings(
      agentOf("a", {
        env: { A: "1" },
        secrets: { T: { env: "TOKEN" }, F: { file: "/run/f" }, C: { command: ["pass", "show", "x"] } },
        setup: ["one"],
        options: { memory: 1, ulimits: {}, nested: { list: [1] } },
        ready: { command: ["true"], timeout: 1, interval: 2 },
      }),
    );
    const values = Object.fromEntries(Object.entries(leaves).map(([path, { value }]) => [path, value]));
    expect(values).toMatchObject({
      mode: "all",
      "env.A": "1",
      "secrets.T": "from environment variable TOKEN",
      "secrets.F": "from file /run/f",
      "secrets.C": "from command pass",
      setup: ["one"],
      "memory.memory": 1,
      "memory.ulimits": {},
      "memory.nested.list": [1],
      "ready.command": ["true"],
      "workspace.access": "rw",
      "disruption.when": "idle",
    });
    expect(leaves["memory.memory"]).toMatchObject({
      layer: "default",
      key: "sandbox.memory.memory",
      source: { line: 7 },
    });
    expect(values).not.toHaveProperty("host");
    expect(Object.keys(flattenSettings(agentOf("a", { host: "b1" })))).toContain("host");
  });
});
