import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explainFleet } from "../../src/plan/explain.ts";
import { Lab } from "../support/memory-fleet.ts";

const RESOLVED_AT = "2026-01-01T00:00:00.000Z";
const NETWORK = { docker: { network: "build" } };
const MISSING = { docker: { image_policy: "missing" } };

/** A fleet whose image is pinned to what the tag means now, which is answered by its digest. */
async function pinned(lab: Lab, agents: object = { a: {} }): Promise<string> {
  const docker = { image: "img:a", image_policy: "pin" };
  await lab.write({ networks: { build: {} }, sandbox: { backend: "docker", docker }, agents });
  const digest = lab.world.registry.get("img:a") ?? "";
  const images = [
    { ref: "img:a", platform: "linux/amd64", kind: "manifest", digest, resolved_at: RESOLVED_AT },
  ];
  await writeFile(join(lab.repo, "sandkeep.lock"), JSON.stringify({ version: 1, images }));
  return digest;
}

/** The engine is seen, but does not say what it has of images. */
function silence(lab: Lab): void {
  const effect = { kind: "fail", as: "transient", when: "before", message: "HTTP 500" } as const;
  lab.world.inject({ op: "resolveImage", times: Infinity, effect });
}

const BLOCKED = {
  address: "agent/a",
  rule: "image",
  why: expect.stringMatching(/^docker@local did not say .* img:a there: HTTP 500$/),
  fix: expect.stringContaining("apply again"),
  deferred: false,
};

describe("a pinned image that its engine was asked about in vain", () => {
  it("is not fetched by its tag, and nothing is made of it; later it is exactly the locked one", async () => {
    await using lab = new Lab();
    const locked = await pinned(lab);
    lab.world.moveImage("img:a", "two");
    silence(lab);
    const { plan, result } = await lab.apply();
    expect(plan).toMatchObject({ complete: true, graph: [], blocked: [BLOCKED], exit_code: 3 });
    expect(result.exit_code).toBe(3);
    expect(lab.objects()).toEqual([]);
    expect(await explainFleet(lab.engine(), {})).toMatchObject({
      explanation: {
        agents: [
          {
            runtimes: [
              {
                would: [{ action: "no-op", why: expect.stringMatching(/^image: docker@local did not say/) }],
              },
            ],
          },
        ],
      },
    });
    lab.world.clearFaults();
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect(lab.objects().map(({ image }) => image?.digest)).toEqual([locked]);
  });

  it("replaces nothing either", async () => {
    await using lab = new Lab();
    const locked = await pinned(lab);
    await lab.apply();
    await pinned(lab, { a: { sandbox: { docker: { network: "bridge" } } } });
    lab.world.moveImage("img:a", "two");
    silence(lab);
    const { plan } = await lab.apply();
    expect(plan).toMatchObject({ graph: [], blocked: [BLOCKED] });
    expect(lab.objects().map(({ image, state }) => [image?.digest, state])).toEqual([[locked, "running"]]);
  });

  it("has no network made for what is not made, and keeps nobody else from theirs", async () => {
    await using lab = new Lab();
    await pinned(lab, { a: { sandbox: NETWORK } });
    silence(lab);
    expect(await lab.plan()).toMatchObject({ graph: [], blocked: [BLOCKED] });
    const other = { docker: { ...NETWORK.docker, ...MISSING.docker } };
    await pinned(lab, { a: { sandbox: NETWORK }, b: { sandbox: other } });
    const plan = await lab.plan();
    expect(plan.blocked).toMatchObject([BLOCKED]);
    expect(new Set(plan.graph.map(({ address }) => address))).toEqual(
      new Set(["", "network/build", "agent/b"]),
    );
  });

  it("under another policy is still had by its name", async () => {
    await using lab = new Lab();
    await pinned(lab, { a: { sandbox: MISSING } });
    silence(lab);
    expect((await lab.apply()).result.exit_code).toBe(0);
  });
});
