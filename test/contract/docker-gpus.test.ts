import { expect, it } from "vitest";
import { unenforced } from "../../src/diff/fields.ts";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";

// No test engine has a GPU, so that none of these containers could be started; each can be made, and read back.

const REQUESTS = [
  { gpus: "all", wire: { Count: -1, DeviceIDs: null } },
  { gpus: "2", wire: { Count: 2, DeviceIDs: null } },
  { gpus: "device=0,1", wire: { Count: 0, DeviceIDs: ["0", "1"] } },
  { gpus: "device=GPU-3a23c669:1", wire: { Count: 0, DeviceIDs: ["GPU-3a23c669:1"] } },
] as const;

describeWithServices("GPUs of a container", (services) => {
  it.each(REQUESTS)("are asked of the engine and read back as they are written: $gpus", async (request) => {
    const { docker } = services();
    await using fleet = await DockerFleet.open(docker.host, docker.images.busybox);
    const { gpus, wire } = request;
    const id = await fleet.create({ docker: { gpus } });
    const asked = await fleet.docker("inspect", "--format", "{{json .HostConfig.DeviceRequests}}", id);
    expect(JSON.parse(asked)).toEqual([expect.objectContaining({ ...wire, Capabilities: [["gpu"]] })]);
    const seen = await fleet.driver.inspect(id);
    if (seen === undefined) throw new Error("gone");
    expect(seen.fields["docker.gpus"]).toBe(gpus);
    for (const other of [undefined, ...REQUESTS.map((each) => each.gpus)]) {
      const spec = fleet.spec(other === undefined ? {} : { docker: { gpus: other } });
      const found = unenforced(spec, seen, dockerDriver.fields);
      const differs = [{ path: "docker.gpus", asked: other ?? null, found: gpus }];
      expect(found, `where ${other ?? "none"} is asked`).toEqual(other === gpus ? [] : differs);
    }
  });
});
