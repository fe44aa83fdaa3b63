import { mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import { fleetOf } from "../../src/plan/survey.ts";
import { withImages } from "../../src/plan/image-survey.ts";
import { validateFleet } from "../../src/policy/fleet.ts";
import type { Engine } from "../../src/reconcile.ts";
import { runCommand } from "../../src/runs/run.ts";
import { realWait } from "../../src/util/wait.ts";
import { temporaryFolder } from "../support/fleet-text.ts";

const nobody = { notify: () => undefined };

function engineOf(cwd: string, stateDir: string): Engine {
  return {
    drivers: builtInDrivers,
    stateDir,
    cwd,
    env: { HOME: join(cwd, "home") },
    now: Date.now,
    wait: realWait,
    randomId: () => "0".repeat(16),
    sink: nobody,
    toolVersion: "test",
  };
}

type Ways = Readonly<Record<string, (engine: Engine) => Promise<object | undefined>>>;

const WAYS: Ways = {
  validate: (engine) => validateFleet(engine, {}),
  plan: (engine) => fleetOf(engine, {}),
  images: (engine) => withImages(engine, {}, () => Promise.reject(new Error("accepted"))),
  run: (engine) =>
    runCommand(
      engine,
      { agent: "a", argv: ["true"], env: {} },
      { stdout: process.stdout, stderr: process.stderr },
    ),
};

it("an empty HOME leaves the user's own home guarded", async () => {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "sandkeep.toml"),
    `version = 1\nfleet = "team"\n[sandbox.workspace]\nsource = "${homedir()}/.ssh"\n[agents.a]\n`,
  );
  const engine = { ...engineOf(folder, join(folder, ".st")), env: { HOME: "" } };
  const { diagnostics } = await validateFleet(engine, {});
  expect(diagnostics.filter(({ severity }) => severity === "error")).toMatchObject([
    { code: "workspace-source-exposed", message: expect.stringContaining("holds credentials") },
  ]);
});

it.each(Object.entries(WAYS))("%s refuses a workspace that is the state directory", async (_, way) => {
  const folder = temporaryFolder();
  const state = join(folder, ".st");
  mkdirSync(state);
  writeFileSync(
    join(folder, "sandkeep.toml"),
    'version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\n[sandbox.workspace]\nsource = ".st"\n[agents.a]\n',
  );
  expect(await way(engineOf(folder, state))).toMatchObject({
    diagnostics: [{ severity: "error", code: "workspace-source-exposed", line: 5 }],
  });
  expect(await validateFleet(engineOf(folder, join(folder, "elsewhere")), {})).toMatchObject({ ok: true });
});
