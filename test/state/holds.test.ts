import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hold, readHolds, release } from "../../src/state/holds.ts";
import { Lab, acting } from "../support/memory-fleet.ts";
import { temporaryState } from "./temporary.ts";

const DAMAGES = ["", "{", "null", '{"v":2,"holds":[]}', '{"v":1,"holds":[{"address":"shared"}]}', "\0\0"];
const freeze = { address: "fleet", reason: expect.stringContaining("holds.json is damaged") };
const mine = { address: "shared", reason: "mine", by: "ann", since: 1 };

describe("a damaged holds.json", () => {
  it.each(DAMAGES)("%j holds the whole fleet, whoever reads it and for whatever time", async (text) => {
    const { state, problems } = await temporaryState();
    await mkdir(state.dir, { recursive: true });
    await writeFile(join(state.dir, "holds.json"), text);
    expect(await readHolds(state, 1)).toMatchObject([freeze]);
    expect(await readHolds(state, Number.MAX_SAFE_INTEGER)).toMatchObject([freeze]);
    expect(problems[0]).toMatchObject({
      severity: "warning",
      code: "holds-damaged",
      file: join(state.dir, "holds.json"),
      hint: expect.stringContaining("sandkeep release fleet"),
    });
    expect(await readFile(join(state.dir, "holds.json"), "utf8")).toBe(text);
  });

  it("holds on when an address is held or released, and tells where the damaged file is", async () => {
    const { state } = await temporaryState();
    await mkdir(state.dir, { recursive: true });
    const path = join(state.dir, "holds.json");
    await writeFile(path, "torn");
    await hold(state, mine);
    expect(await readFile(`${path}.quarantined-1`, "utf8")).toBe("torn");
    const reason = expect.stringContaining("holds.json.quarantined-1");
    expect(await readHolds(state, 2)).toMatchObject([{ ...freeze, reason }, mine]);
    await writeFile(path, "torn again");
    expect(await release(state, "shared")).toBe(false);
    expect(await readHolds(state, 2)).toMatchObject([freeze]);
  });

  it("is put right by releasing the fleet", async () => {
    const { state } = await temporaryState();
    await mkdir(state.dir, { recursive: true });
    await writeFile(join(state.dir, "holds.json"), "torn");
    expect(await release(state, "fleet")).toBe(true);
    expect(await readHolds(state, 1)).toEqual([]);
    expect(await readdir(state.dir)).toEqual(["holds.json", "holds.json.quarantined-1"]);
    expect(await release(state, "fleet")).toBe(false);
  });

  it("that is no file at all holds as well; none at all holds nothing", async () => {
    const { state } = await temporaryState();
    await mkdir(join(state.dir, "holds.json"), { recursive: true });
    expect(await readHolds(state, 1)).toMatchObject([freeze]);
    await rm(join(state.dir, "holds.json"), { recursive: true });
    expect(await readHolds(state, 1)).toEqual([]);
  });
});

describe("a fleet whose holds.json is damaged", () => {
  it("is left alone by every command, and says so, until the fleet is released", async () => {
    await using lab = new Lab();
    const sandbox = { backend: "docker", docker: { image: "img:a" } };
    await lab.write({ sandbox, agents: { a: {} } });
    await lab.apply();
    await hold(lab.state(), { ...mine, address: "agent/a" });
    await writeFile(join(lab.state().dir, "holds.json"), '{"v":1,"hol');
    await lab.write({ sandbox, agents: { a: { sandbox: { docker: { network: "bridge" } } }, b: {} } });
    lab.writes();
    for (const intent of [
      { mode: "apply" },
      { mode: "recreate", targets: ["agent/a"] },
      { mode: "prune", orphans: true },
      { mode: "destroy", unprotect: false },
    ] as const) {
      const { plan } = await lab.intent(intent);
      expect(acting(plan)).toEqual([]);
      expect(plan.held).toContainEqual({ address: "agent/a", reason: freeze.reason, until: null });
      expect(plan.diagnostics).toMatchObject([{ code: "holds-damaged" }]);
    }
    expect(lab.writes()).toBe(0);
    await release(lab.state(), "fleet");
    expect((await lab.apply()).plan.summary).toMatchObject({ create: 1, recreate: 1, held: 0 });
  });
});
