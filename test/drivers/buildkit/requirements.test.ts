import { expect, it } from "vitest";
import { buildkitDriver } from "../../../src/drivers/buildkit/index.ts";
import { wish } from "../../support/runtimes.ts";

const endpoint = "unix:///run/buildkit/buildkitd.sock";

it.each([
  [{ image: "debian:12", image_policy: "pin" }, []],
  [{ image: `sha256:${"a".repeat(64)}`, image_policy: "missing" }, []],
  [{ image: `sha256:${"a".repeat(64)}`, image_policy: "pin" }, ["image-not-in-a-registry"]],
  [{ image: "UPPER/case:1", image_policy: "track" }, ["image-not-in-a-registry"]],
  [{ image_policy: "track" }, ["image-required"]],
])("the image of %o: %s", (options, expected) => {
  const { settings } = wish({ settings: { options: { endpoint, ...options } } });
  expect(buildkitDriver.require(settings, undefined).map(({ code }) => code)).toEqual(expected);
});
