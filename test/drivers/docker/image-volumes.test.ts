import { expect, it } from "vitest";
import { readValues } from "../../../src/drivers/docker/section.ts";
import { readFields } from "../../../src/drivers/docker/values.ts";
import { readContainer } from "../../../src/drivers/docker/wire-container.ts";
import { readImage, readInfo } from "../../../src/drivers/docker/wire.ts";

// Engines keep the text of an image's `VOLUME` as it was written, and show the path of the mount cleaned.

const created = readValues({
  workspace: { access: "none", target: "/workspace", provider: "own" },
  env: {},
  docker: {},
});

function bindsOf(volumes: readonly string[], destination: string): unknown {
  const mount = { Type: "volume", Name: "v1", Source: "/var/v1", Destination: destination, RW: true };
  const container = readContainer({
    Id: "c1",
    Name: "/sk-a",
    State: {},
    Config: {},
    HostConfig: {},
    Mounts: [mount],
  });
  const asked = Object.fromEntries(volumes.map((path) => [path, {}]));
  const image = readImage({ Id: "i1", Config: { Volumes: asked } });
  const context = { created, image, info: readInfo({}), ref: "x", own: "sk-a", stateDir: "/state" };
  return readFields(container, context)["docker.binds"];
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
