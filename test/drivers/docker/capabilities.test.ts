import { expect, it } from "vitest";
import { readValues } from "../../../src/drivers/docker/section.ts";
import { readFields } from "../../../src/drivers/docker/values.ts";
import { readContainer } from "../../../src/drivers/docker/wire-container.ts";
import { readInfo } from "../../../src/drivers/docker/wire.ts";

it.each<[string, string[], string[], string[]]>([
  ["as it was asked for", ["ALL", "NET_RAW"], ["NET_RAW", "ALL"], ["ALL", "NET_RAW"]],
  ["without a prefix, where the engine has one", ["NET_RAW"], ["CAP_NET_RAW"], ["NET_RAW"]],
  ["with a prefix, where the engine has none", ["CAP_NET_RAW"], ["NET_RAW"], ["CAP_NET_RAW"]],
  [
    "in both ways, where both were asked for",
    ["CHOWN", "CAP_CHOWN"],
    ["CHOWN", "CAP_CHOWN"],
    ["CAP_CHOWN", "CHOWN"],
  ],
  ["as the engine says it, where it was not asked for", ["CHOWN"], ["CAP_NET_RAW"], ["CAP_NET_RAW"]],
])("a capability that was taken away is shown %s", (_, asked, CapDrop, shown) => {
  const container = readContainer({
    Id: "c1",
    Name: "/sk-a",
    State: {},
    Config: {},
    HostConfig: { CapDrop },
  });
  const created = readValues({
    workspace: { access: "none", target: "/workspace", provider: "own" },
    env: {},
    docker: { cap_drop: asked },
  });
  const info = readInfo({});
  const seen = readFields(container, {
    created,
    image: undefined,
    info,
    ref: "x",
    own: "sk-a",
    stateDir: "/state",
  });
  expect(seen["docker.cap_drop"]).toEqual(shown);
});
