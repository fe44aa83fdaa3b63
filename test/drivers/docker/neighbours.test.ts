import { describe, expect, it } from "vitest";
import type { Place } from "../../../src/drivers/docker/neighbours.ts";
import { neighbour } from "../../../src/drivers/docker/neighbours.ts";
import { readContainers } from "../../../src/drivers/docker/wire-container.ts";

const HERE: Place = { backend: "docker", host: "local" };

function seen(name: string, labels: Readonly<Record<string, string>> = {}, place: Place = HERE) {
  const [container] = readContainers([{ Id: "c1", Names: [`/${name}`], Labels: labels }]);
  return container === undefined ? undefined : neighbour(container, name, place);
}

describe("a container of another sandbox tool", () => {
  it.each<[string, Readonly<Record<string, string>>, string]>([
    ["fluffbuzz-sbx-a", {}, "FluffBuzz"],
    ["a", { "openclaw.sandbox": "1" }, "OpenClaw"],
    ["bmux-sbx-1", {}, "bmux"],
    ["bmo-sbx-1", {}, "BMO"],
  ])("is told by its name or its labels (%s, %j)", (name, labels, tool) => {
    expect(seen(name, labels)).toMatchObject({ name, object_id: "c1", why: `${tool} made it` });
  });

  it.each<[Place, RegExp]>([
    [HERE, /or with `docker rm -f bmux-sbx-1`$/],
    [{ backend: "podman", host: "local" }, /or with `podman rm -f bmux-sbx-1`$/],
    [{ backend: "docker", host: "build1" }, /or with `docker rm -f bmux-sbx-1` on host build1$/],
    [{ backend: "podman", host: "build1" }, /or with `podman rm -f bmux-sbx-1` on host build1$/],
  ])("is removed with the command of its own engine, where that is (%j)", (place, told) => {
    expect(seen("bmux-sbx-1", {}, place)?.hint).toMatch(told);
  });
});

it.each<[string, Readonly<Record<string, string>>]>([
  ["fluffbuzz-sbx-other-agent-main-1a2b", { "sandkeep.fleet": "other" }],
  ["sk-other-agent-main-1a2b", { "sandkeep.fleet": "other", "fluffbuzz.version": "3" }],
  ["quirky_name", { "sandkeep.upload-for": "c2", "openclaw.image": "1" }],
])("what sandkeep made is no other tool's, whatever fleet it is of (%s, %j)", (name, labels) => {
  expect(seen(name, labels)).toBeUndefined();
});

it("nor is what nobody knows", () => {
  expect(seen("web", { "com.example": "1" })).toBeUndefined();
});
