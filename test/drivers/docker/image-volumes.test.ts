import { expect, it } from "vitest";
import { readImage } from "../../../src/drivers/docker/wire.ts";
import { createdWith, fieldsOf } from "../../support/container-fields.ts";

// Engines keep the text of an image's `VOLUME` as it was written, and show the path of the mount cleaned.

function bindsOf(volumes: readonly string[], destination: string): unknown {
  const mount = { Type: "volume", Name: "v1", Source: "/var/v1", Destination: destination, RW: true };
  const asked = Object.fromEntries(volumes.map((path) => [path, {}]));
  const image = readImage({ Id: "i1", Config: { Volumes: asked } });
  return fieldsOf({ Mounts: [mount] }, createdWith(), { image })["docker.binds"];
}

it.each([
  ["/data", "/data"],
  ["/data/", "/data"],
  ["//data/./x/../", "/data"],
  ["data", "data"],
  ["data/", "/data"],
])("an image's volume %j is its own at %j, and no bind", (volume, destination) => {
  expect(bindsOf([volume], destination)).toEqual([]);
});

it.each([[[]], [["/dat"]], [["/data/x/"]]])(
  "with the volumes %j of its image, one at /data is a bind",
  (volumes) => {
    expect(bindsOf(volumes, "/data")).toEqual([{ source: "v1", target: "/data", mode: "rw" }]);
  },
);
