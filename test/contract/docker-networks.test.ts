import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FaultProxy } from "../support/fault-proxy.ts";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";
import { expectHeardOfNetworks } from "./network-events.ts";

describeWithServices("networks of the docker driver", (services) => {
  let fleet: DockerFleet;
  beforeEach(async () => {
    fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  /** As left by somebody who removed the network of a stopped gate. */
  async function gateAlone(...more: readonly string[]): Promise<string> {
    const labels = {
      "sandkeep.fleet": fleet.fleet,
      "sandkeep.fleet-id": "id1",
      "sandkeep.gate": `${fleet.fleet}-net`,
      "sandkeep.role": "sidecar",
    };
    const words = Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
    return await fleet.docker("create", ...words, ...more, services().docker.images.busybox, "true");
  }

  it.each([
    ["of a sandbox", ["--label", "sandkeep.address=agent/work"], "egress/agent/work"],
    ["that was declared", ["--label", "sandkeep.network=network/build"], "network/build"],
    ["of an older version", [], undefined],
  ] as const)("tells a gate %s whose network is gone, and removes it alone", async (_, more, network) => {
    const id = await gateAlone(...more);
    const seen = await fleet.driver.observe(fleet.scope());
    if (seen.status !== "complete") throw new Error(seen.message);
    const key = network ?? `network/${fleet.fleet}-net`;
    expect(seen.networks).toMatchObject([{ object_id: id, network: key, gone: true, users: [] }]);
    expect(await fleet.driver.observe(fleet.scope({ fleet_id: "id2" }))).toMatchObject({ networks: [] });
    const other = await fleet.create();
    await fleet.driver.removeNetwork?.(other);
    await fleet.driver.removeNetwork?.(id);
    await fleet.driver.removeNetwork?.(id);
    expect(await fleet.driver.observe(fleet.scope())).toMatchObject({
      networks: [],
      runtimes: [{ object_id: other }],
    });
  });

  it("hears what leaves or joins a network, though that tells no labels, and not what else does", async () => {
    await expectHeardOfNetworks(fleet, services().docker.images.busybox);
  });

  it("needs the engine's networks only for a fleet that has some, and then says what it lacks", async () => {
    const path = join(fleet.folder, "proxy.sock");
    await using proxy = await FaultProxy.open(path, services().docker.socket);
    proxy.forbidden = new Set(["GET /networks"]);
    const { host, images } = { host: `unix://${path}`, images: services().docker.images };
    await using filtered = await DockerFleet.open(host, images.busybox);
    await filtered.create();
    expect(await filtered.driver.observe(filtered.scope())).toMatchObject({
      status: "complete",
      runtimes: [{ name: filtered.name() }],
      networks: [],
    });
    const denied = { status: "unobserved", kind: "denied", hint: expect.stringContaining("/networks") };
    expect(await filtered.driver.observe(filtered.scope({ networks: ["wanted"] }))).toMatchObject(denied);
    const id = await gateAlone("--label", `sandkeep.fleet=${filtered.fleet}`);
    expect(await filtered.driver.observe(filtered.scope())).toMatchObject(denied);
    await fleet.docker("rm", id);
  });
});
