import { expect, it } from "vitest";
import { containerOptions } from "../../../src/drivers/docker/container.ts";
import { readValues } from "../../../src/drivers/docker/section.ts";
import type { JsonObject } from "../../../src/model/json.ts";
import { found, wish } from "../../support/runtimes.ts";

function optionsFor(more: JsonObject = {}): JsonObject {
  const workspace = { provider: "own", access: "none", target: "/workspace" };
  const spec = readValues({ workspace, docker: { image: "img:a" }, ...more });
  const { labels } = found(wish());
  return containerOptions({ spec, labels, stateDirs: ["/state"], stamp: "0".repeat(16), user: undefined });
}

it("asks `ready` instead of the image's own health check, which without it stays as the image has it", () => {
  expect(optionsFor()).not.toHaveProperty("Healthcheck");
  const ready = { command: ["true"], timeout: 60_000, interval: 1_000 };
  expect(optionsFor({ ready })["Healthcheck"]).toMatchObject({ Test: ["NONE"] });
});
