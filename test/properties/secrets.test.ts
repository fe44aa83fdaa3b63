import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MemoryCommand } from "../../src/drivers/memory/exec.ts";
import { MASKED } from "../../src/model/plan-format.ts";
import { explainFleet } from "../../src/plan/explain.ts";
import { inspectRuntime } from "../../src/plan/inspect.ts";
import { listFleet } from "../../src/plan/listing.ts";
import { Lab, acting, runs } from "../support/memory-fleet.ts";

const docker = { backend: "docker", docker: { image: "img:a" } };
const secrets = { TOKEN: { env: "CI_TOKEN" } };

/** `spill BEFORE AFTER`: the secret somewhere in a long output. */
const spill: MemoryCommand = async ({ argv, env, out }) => {
  await out(`${"b".repeat(Number(argv[1]))}${env["TOKEN"] ?? "none"}${"a".repeat(Number(argv[2]))}`);
  return 1;
};

/** Every run of at least half the secret, so that a part that leaks is found as well. */
function leaks(text: string, secret: string): string[] {
  const size = Math.max(6, Math.ceil(secret.length / 2));
  const parts = Array.from({ length: Math.max(0, secret.length - size + 1) }, (_, at) =>
    secret.slice(at, at + size),
  );
  return parts.filter((part) => text.includes(part));
}

const canary = fc.stringMatching(/^[QWXZqwxz0-9+/=]{12,60}$/).map((letters) => `s3cr3t-${letters}`);

describe("a secret's value", () => {
  it("is nowhere to be found: not in plans, events, journal, state, labels, listings or errors", async () => {
    const outputs = fc.tuple(
      fc.nat({ max: 100 }),
      fc.oneof(fc.nat({ max: 100 }), fc.integer({ min: 1900, max: 2100 })),
    );
    await fc.assert(
      fc.asyncProperty(
        canary,
        outputs,
        fc.constantFrom("process", "directory"),
        async (value, [before, after], lifecycle) => {
          await using lab = new Lab({ lifecycle, env: { CI_TOKEN: value }, commands: { spill } });
          const good = { sandbox: { setup: ["env"], secrets } };
          const bad = { sandbox: { setup: [`env && spill ${before} ${after}`], secrets } };
          await lab.write({ sandbox: docker, agents: { good, bad } });
          const texts = [JSON.stringify(await lab.plan())];
          const { plan, result } = await lab.apply();
          expect(result.outcomes.map(({ status }) => status)).toEqual(["rolled_back", "done"]);
          const engine = lab.engine();
          texts.push(JSON.stringify([plan, result]));
          texts.push(JSON.stringify(await explainFleet(engine, {})));
          texts.push(JSON.stringify(await listFleet(engine, { all: true })));
          texts.push(JSON.stringify(await inspectRuntime(engine, { address: "agent/good" })));
          texts.push(await lab.everythingWritten());
          expect(leaks(texts.join("\n"), value)).toEqual([]);
        },
      ),
      { numRuns: runs(40) },
    );
  });

  it("is given to the setup itself", async () => {
    const seen: (string | undefined)[] = [];
    const look: MemoryCommand = ({ env }) => {
      seen.push(env["TOKEN"]);
      return 0;
    };
    await using lab = new Lab({ env: { CI_TOKEN: "given" }, commands: { look } });
    await lab.write({ sandbox: docker, agents: { a: { sandbox: { setup: ["look"], secrets } } } });
    await lab.apply();
    expect(seen).toEqual(["given"]);
  });
});

describe("a rotated secret", () => {
  const consuming = { sandbox: docker, agents: { a: { sandbox: { setup: ["true"], secrets } } } };

  it("that setup consumed replaces the runtime, with both values masked", async () => {
    await using lab = new Lab({ env: { CI_TOKEN: "first-value" } });
    await lab.write(consuming);
    await lab.apply();
    expect(acting(await lab.plan())).toEqual([]);
    lab.env["CI_TOKEN"] = "second-value";
    const plan = await lab.plan();
    expect(plan.changes).toMatchObject([
      {
        actions: ["recreate"],
        origin: "config",
        reasons: [{ path: "secrets.TOKEN", before: MASKED, after: MASKED }],
      },
    ]);
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect(acting(await lab.plan())).toEqual([]);
  });

  it("that setup did not consume replaces nothing", async () => {
    await using lab = new Lab({ env: { CI_TOKEN: "first-value" } });
    await lab.write({ sandbox: docker, agents: { a: { sandbox: { secrets } } } });
    await lab.apply();
    lab.env["CI_TOKEN"] = "second-value";
    expect(acting(await lab.plan())).toEqual([]);
  });

  it("is unknown, and no change, under another key and where it cannot be read", async () => {
    await using lab = new Lab({ env: { CI_TOKEN: "first-value" } });
    await lab.write(consuming);
    await lab.apply();
    lab.env["CI_TOKEN"] = "second-value";
    const { plan } = await lab.apply({}, "two");
    expect(acting(plan)).toEqual([]);
    expect(acting(await lab.plan({}, "two"))).toEqual([]);
    delete lab.env["CI_TOKEN"];
    const blind = await lab.plan();
    expect(acting(blind)).toEqual([]);
    expect(blind.diagnostics.map(({ code }) => code)).toContain("secret-unresolved");
  });

  it("is seen by every machine that shares the config's key", async () => {
    await using lab = new Lab({ env: { CI_TOKEN: "first-value", FLEET_KEY: "k".repeat(32) } });
    await lab.write({ ...consuming, secrets: { key: { env: "FLEET_KEY" } } });
    await lab.apply();
    expect(acting(await lab.plan({}, "two"))).toEqual([]);
    lab.env["CI_TOKEN"] = "second-value";
    expect((await lab.plan({}, "two")).summary.recreate).toBe(1);
    lab.env["FLEET_KEY"] = "l".repeat(32);
    expect(acting(await lab.plan({}, "two"))).toEqual([]);
  });
});
