import { expect, it } from "vitest";
import { createdWith, fieldsOf } from "../../support/container-fields.ts";

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
  const seen = fieldsOf({ HostConfig: { CapDrop } }, createdWith({ cap_drop: asked }));
  expect(seen["docker.cap_drop"]).toEqual(shown);
});
