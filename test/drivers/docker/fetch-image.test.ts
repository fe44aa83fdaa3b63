import { expect, it } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";

const deps = {
  stateDir: "/nonexistent",
  env: { DOCKER_HOST: "unix:///nonexistent/docker.sock" },
  now: Date.now,
  randomId: () => "0",
};
const ID = {
  ref: "app:1",
  kind: "config",
  digest: `sha256:${"0a".repeat(32)}`,
  platform: "linux/amd64",
} as const;

it.each([
  ["nothing", undefined],
  ["no digest of a registry", ID],
])(
  "a pinned image of which the plan says %s is refused for good, before the engine is asked",
  async (_, wanted) => {
    await using driver = await dockerDriver.open(undefined, deps);
    await expect(driver.fetch("app:1", "pin", () => undefined, wanted)).rejects.toMatchObject({
      code: "IMAGE_REFUSED",
      kind: "terminal",
    });
    // Any other policy goes on to the engine, which is away.
    await expect(driver.fetch("app:1", "missing", () => undefined, wanted)).rejects.toMatchObject({
      kind: "unreachable",
    });
  },
);
