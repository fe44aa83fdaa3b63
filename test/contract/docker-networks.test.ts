import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { NetworkRequest } from "../../src/drivers/driver.ts";
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

  type Table = Readonly<Record<string, unknown>>;
  const gate = { allow: ["pypi.org"], image: "sandkeep-test/none:1" };

  function requestOf(own: DockerFleet, gated = false): NetworkRequest {
    const spec = { driver: "bridge", internal: !gated, options: {}, ...(gated ? { gate } : {}) } as const;
    return { name: `${own.fleet}-net`, network: "network/build", fleet: own.fleet, fleet_id: "id1", spec };
  }

  async function lying(drop: (asked: Table) => Table): Promise<{ own: DockerFleet } & AsyncDisposable> {
    const path = join(fleet.folder, "liar.sock");
    const proxy = await FaultProxy.open(path, services().docker.socket);
    proxy.lie = { asked: (call, body) => (call === "POST /networks/create" ? drop(body) : body) };
    const own = await DockerFleet.open(`unix://${path}`, services().docker.images.busybox);
    return {
      own,
      async [Symbol.asyncDispose]() {
        await own[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
      },
    };
  }

  it.each([
    ["open", false, (asked: Table) => ({ ...asked, Internal: false }), "internal (asked true, found false)"],
    [
      "open, for a gate",
      true,
      (asked: Table) => ({ ...asked, Internal: false }),
      "internal (asked true, found false)",
    ],
    [
      "with a way to its machine, for a gate",
      true,
      (asked: Table) => ({ ...asked, Options: {} }),
      "reaches_host (asked false, found true)",
    ],
  ])("takes back a network that the engine made %s, before a gate stands on it", async (...row) => {
    const [, gated, drop, told] = row;
    await using liar = await lying(drop);
    const request = requestOf(liar.own, gated);
    await expect(liar.own.driver.ensureNetwork?.(request)).rejects.toMatchObject({
      code: "NOT_ENFORCED",
      exitCode: 5,
      message: `the engine does not enforce ${told} of the network ${request.name}`,
    });
    expect(await liar.own.driver.observe(liar.own.scope())).toMatchObject({ networks: [] });
  });

  it("refuses one of ours that is there and is open, and leaves it to a person", async () => {
    const request = requestOf(fleet);
    const open = { ...request, spec: { ...request.spec, internal: false } };
    await fleet.driver.ensureNetwork?.(open);
    await expect(fleet.driver.ensureNetwork?.(request)).rejects.toMatchObject({
      code: "NOT_ENFORCED",
      exitCode: 1,
      message: expect.stringContaining("internal (asked true, found false)") as string,
      hint: expect.stringContaining("docker network rm") as string,
    });
    const seen = await fleet.driver.observe(fleet.scope());
    if (seen.status !== "complete") throw new Error(seen.message);
    expect(seen.networks).toMatchObject([{ name: request.name, spec: { internal: false } }]);
    for (const { object_id } of seen.networks ?? []) await fleet.driver.removeNetwork?.(object_id);
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
