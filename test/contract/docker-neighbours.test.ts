import { afterEach, beforeEach, expect, it } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";

describeWithServices("containers of other sandbox tools", (services) => {
  let fleet: DockerFleet;
  beforeEach(async () => {
    fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  it.each([
    ["OpenClaw", ["--label", "openclaw.sandbox=1"], "box-"],
    ["OpenClaw", [], "openclaw-sbx-"],
    ["FluffBuzz", ["--label", "openclaw.sandbox=1"], "fluffbuzz-sbx-"],
    ["bmux", [], "bmux-sbx-"],
  ])(
    "tells what %s left (%j, %s…) when asked, as foreign and with what to do",
    async (tool, flags, prefix) => {
      const name = `${prefix}${fleet.fleet}`;
      const image = services().docker.images.busybox;
      const left = await fleet.docker("create", ...flags, "--name", name, image);
      try {
        const quiet = await fleet.driver.observe(fleet.scope());
        const asked = await fleet.driver.observe({ ...fleet.scope(), neighbours: true });
        const found = (seen: typeof asked) =>
          seen.status === "complete" ? seen.foreign.filter((each) => each.name === name) : undefined;
        expect(found(quiet)).toEqual([]);
        expect(found(asked)).toEqual([
          {
            name,
            object_id: left,
            why: `${tool} made it`,
            hint: expect.stringContaining(`sandkeep import --from ${tool.toLowerCase()} FILE`),
          },
        ]);
      } finally {
        await fleet.docker("rm", "-f", name);
      }
    },
  );

  it("are not those of another fleet that was imported from one of them", async () => {
    const name = `fluffbuzz-sbx-${fleet.fleet}`;
    const labels = ["sandkeep.fleet=another", "openclaw.sandbox=1"].flatMap((each) => ["--label", each]);
    await fleet.docker("create", ...labels, "--name", name, services().docker.images.busybox);
    try {
      const asked = await fleet.driver.observe({ ...fleet.scope(), neighbours: true });
      expect(asked).toMatchObject({ status: "complete" });
      expect(JSON.stringify(asked)).not.toContain(name);
    } finally {
      await fleet.docker("rm", "-f", name);
    }
  });
});
