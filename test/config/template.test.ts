import { expect, it } from "vitest";
import { parseConfigText } from "../../src/config/index.ts";
import { initTemplate } from "../../src/config/template.ts";
import { BACKENDS, lines } from "./folder.ts";

it.each(["local", "docker"])("the starter file for %s is valid as it stands", async (backend) => {
  const text = initTemplate({ fleet: "team", fleetId: "k3v9q2", backend });
  const outcome = await parseConfigText("sandkeep.toml", text, BACKENDS);
  expect(lines(outcome.diagnostics)).toEqual([]);
  expect(outcome).toMatchObject({
    ok: true,
    config: { fleet: "team", fleet_id: "k3v9q2", sandbox: { backend }, agents: { main: {} } },
  });
});

it.each(["local", "docker"])("so is every key it shows commented out, for %s", async (backend) => {
  const text = initTemplate({ fleet: "team", fleetId: "k3v9q2", backend });
  const shown = text.replaceAll(/^# (?=\w+ = |\[)/gm, "");
  expect(shown).not.toBe(text);
  const outcome = await parseConfigText("sandkeep.toml", shown, BACKENDS);
  expect(lines(outcome.diagnostics)).toEqual([]);
  expect(outcome).toMatchObject({ ok: true, config: { guards: { max_destroy: 5 } } });
});
