import { describe, expect, it } from "vitest";
import { spellings } from "../../src/util/secret-spellings.ts";
import { MASKED } from "../../src/model/plan-format.ts";
import { inspectRuntime } from "../../src/plan/inspect.ts";
import { acting, Lab } from "../support/memory-fleet.ts";

const VALUE = "s3cr3t-of-the-main-program";
const program = { image: "img:a", command: ["serve"] };
const secrets = {
  PW: { env: "PW", for: ["command"] },
  SET: { env: "SET", for: ["setup"] },
  RUN: { env: "RUN", for: ["run"] },
};

async function lab(sandbox: object = {}): Promise<Lab> {
  const made = new Lab({ env: { PW: VALUE, SET: "for-the-setup", RUN: "for-commands" } });
  await made.write({
    sandbox: { backend: "docker", docker: program, secrets, ...sandbox },
    agents: { a: {} },
  });
  return made;
}

/** The only runtime's name. */
const nameOf = (on: Lab): string => on.primaries()[0]?.name ?? "";

describe("a secret for the main program", () => {
  it("is handed over after each start, and no other secret with it", async () => {
    await using on = await lab();
    expect((await on.apply()).result.exit_code).toBe(0);
    expect(on.world.delivered.map((each) => each.secrets)).toEqual([{ PW: VALUE }]);
    expect(acting(await on.plan())).toEqual([]);
    on.world.stopBehind(nameOf(on));
    expect((await on.apply()).plan.changes).toMatchObject([{ actions: ["start"] }]);
    expect(on.world.delivered).toHaveLength(2);
    expect(acting(await on.plan())).toEqual([]);
  });

  it("is handed over again after somebody else's restart, which shows as live drift", async () => {
    await using on = await lab();
    await on.apply();
    on.world.restartBehind(nameOf(on));
    const { plan, result } = await on.apply();
    expect(plan.changes).toMatchObject([
      {
        actions: ["update"],
        origin: "live",
        reasons: [{ path: "docker.command_secrets", before: [], after: ["PW"], class: "live" }],
      },
    ]);
    expect(result.exit_code).toBe(0);
    expect(on.world.delivered.map((each) => each.secrets)).toEqual([{ PW: VALUE }, { PW: VALUE }]);
    expect(acting(await on.plan())).toEqual([]);
  });

  it("recreates on rotation, masked; one that only commands get does not, and is not even read", async () => {
    await using on = await lab();
    await on.apply();
    on.env["RUN"] = "another";
    delete on.env["SET"];
    expect(acting(await on.plan())).toEqual([]);
    on.env["PW"] = "rotated-value";
    const { plan, result } = await on.apply();
    expect(plan.changes).toMatchObject([
      {
        actions: ["recreate"],
        reasons: [
          {
            path: "secrets.PW",
            before: MASKED,
            after: MASKED,
            why: "the main program began with the secret, and its value changed",
          },
        ],
      },
    ]);
    expect(result.exit_code).toBe(0);
    expect(on.world.delivered.at(-1)?.secrets).toEqual({ PW: "rotated-value" });
    expect(acting(await on.plan())).toEqual([]);
  });

  it("recreates when the main program is to have another set of them", async () => {
    await using on = await lab();
    await on.apply();
    const more = { ...secrets, RUN: { env: "RUN", for: ["run", "command"] } };
    await on.write({ sandbox: { backend: "docker", docker: program, secrets: more }, agents: { a: {} } });
    expect((await on.apply()).plan.changes).toMatchObject([{ actions: ["recreate"] }]);
    expect(on.world.delivered.at(-1)?.secrets).toEqual({ PW: VALUE, RUN: "for-commands" });
    await on.write({ sandbox: { backend: "docker", docker: program }, agents: { a: {} } });
    const named = await on.intent({ mode: "recreate", targets: ["agent/a"] });
    expect(named.result.outcomes).toMatchObject([{ action: "recreate", status: "done" }]);
    expect(acting(await on.plan())).toEqual([]);
  });

  it("comes back to the old runtime whose successor failed", async () => {
    await using on = await lab();
    await on.apply();
    const before = nameOf(on);
    on.world.inject({ op: "deliver", effect: { kind: "fail", when: "before", as: "terminal" } });
    const docker = { ...program, labels: { a: "2" } };
    await on.write({ sandbox: { backend: "docker", docker, secrets }, agents: { a: {} } });
    const { result } = await on.apply();
    expect(result.outcomes).toMatchObject([{ status: "rolled_back" }]);
    expect(on.world.delivered.map((each) => each.name)).toEqual([`${before}.new`, before]);
    expect(on.objects().map(({ name, state }) => [name, state])).toEqual([[before, "running"]]);
  });

  it("stops the apply when it cannot be read, and nothing is left behind", async () => {
    await using on = await lab();
    delete on.env["PW"];
    const { result } = await on.apply();
    expect(result.outcomes).toMatchObject([{ status: "failed", error: { code: "SECRET_UNRESOLVED" } }]);
    expect(on.objects()).toEqual([]);
  });

  it("that cannot be read leaves a healthy runtime alone", async () => {
    await using on = await lab();
    await on.apply();
    const before = on.objects().map(({ id, state }) => [id, state]);
    const docker = { ...program, labels: { a: "2" } };
    await on.write({ sandbox: { backend: "docker", docker, secrets }, agents: { a: {} } });
    delete on.env["PW"];
    const { result } = await on.apply();
    expect(result.outcomes).toMatchObject([{ status: "failed", error: { code: "SECRET_UNRESOLVED" } }]);
    expect(on.objects().map(({ id, state }) => [id, state])).toEqual(before);
    expect(on.world.log.map(({ op }) => op)).not.toContain("stop");
  });

  it("that its config no longer has is no reason to lose the old runtime, unless a person says so", async () => {
    await using on = await lab();
    await on.apply();
    await on.write({ sandbox: { backend: "docker", docker: program }, agents: { a: {} } });
    const { result } = await on.apply();
    expect(result.outcomes).toMatchObject([
      {
        status: "failed",
        error: { code: "SECRET_UNRESOLVED", hint: expect.stringMatching(/sandkeep recreate agent\/a$/) },
      },
    ]);
    expect(on.objects()).toMatchObject([{ state: "running" }]);
    expect(on.world.delivered).toHaveLength(1);
  });

  it("that the main program no longer gets is still known for its way back", async () => {
    await using on = await lab();
    await on.apply();
    const before = nameOf(on);
    on.world.healthScript = (name) => (name === before ? {} : { state: "exited", exit_code: 3 });
    const moved = { PW: { env: "PW", for: ["run"] } };
    await on.write({ sandbox: { backend: "docker", docker: program, secrets: moved }, agents: { a: {} } });
    expect((await on.apply()).result.outcomes).toMatchObject([{ status: "rolled_back" }]);
    expect(on.world.delivered.map((each) => [each.name, each.secrets])).toEqual([
      [`${before}.new`, { PW: VALUE }],
      [before, { PW: VALUE }],
    ]);
  });

  it("is masked in what a dying main program said, in whatever way it is spelled", async () => {
    await using on = await lab();
    const said = spellings([VALUE]).join(" ");
    on.world.healthScript = () => ({ state: "exited", exit_code: 3, detail: `env: ${said}` });
    const { result } = await on.apply();
    expect(result.outcomes[0]?.error?.message).toMatch(/^it exited with 3: env: [* ]+$/);
    on.world.healthScript = () => ({});
    await on.apply();
    const told = [
      JSON.stringify([await on.plan(), result]),
      JSON.stringify(await inspectRuntime(on.engine(), { address: "agent/a" })),
      await on.everythingWritten(),
    ].join("\n");
    expect(told.includes(VALUE)).toBe(false);
    expect(told.includes(Buffer.from(VALUE).toString("base64"))).toBe(false);
  });
});

describe("who gets a secret", () => {
  it("is refused where there is no main program of its own", async () => {
    await using on = new Lab({ env: { PW: VALUE } });
    const local = { backend: "local", secrets };
    await on.write({ sandbox: { ...local }, agents: { a: {} } });
    await expect(on.plan()).rejects.toThrow(/local|backend/);
  });

  it("is by default commands and setup, as before there was a choice", async () => {
    const seen: string[] = [];
    await using on = new Lab({
      env: { A: "1", B: "2" },
      commands: {
        look: ({ env }) => {
          seen.push(`${env["A"]} ${env["B"]}`);
          return 0;
        },
      },
    });
    const both = { A: { env: "A" }, B: { env: "B", for: ["run"] } };
    await on.write({
      sandbox: { backend: "docker", docker: { image: "img:a" }, setup: ["look"], secrets: both },
      agents: { a: {} },
    });
    const { plan } = await on.apply();
    expect(seen).toEqual(["1 undefined"]);
    // Only what setup consumed is recorded, and only that recreates.
    expect(Object.keys(plan.changes[0]?.secrets ?? {})).toEqual(["A"]);
    on.env["B"] = "rotated";
    expect(acting(await on.plan())).toEqual([]);
  });
});

describe("spellings", () => {
  it("are the value, its lines, and its usual encodings", () => {
    const key = 'first "line"\nsecond+line/';
    const found = spellings([key]);
    expect(found).toContain("second+line/");
    expect(found).toContain('first \\"line\\"\\nsecond+line/');
    expect(found).toContain("first%20%22line%22%0Asecond%2Bline%2F");
    expect(found).toContain(Buffer.from(key).toString("base64"));
    expect(spellings(["", "abc"])).toEqual(["abc"]);
  });
});
