import { expect, it } from "vitest";
import type { Driver, NetworkRequest } from "../../src/drivers/driver.ts";
import type { ObservedNetwork } from "../../src/model/network.ts";
import type { Cases, Fleet } from "./harness.ts";

/** What every backend does that makes networks of the fleet's own; the others declare that they do not, and have no methods. */
export function networkCases({ fleet, harness, driver }: Cases): void {
  const has = (): boolean => harness().module.capabilities.networks === true;
  const requestOf = (own: Fleet): NetworkRequest => ({
    name: `${own.name}-net`,
    network: "network/build",
    fleet: own.name,
    fleet_id: own.id,
    spec: { driver: "bridge", internal: true, options: {} },
  });

  it("makes networks exactly where it says so", () => {
    expect(driver().ensureNetwork !== undefined).toBe(has());
    expect(driver().removeNetwork !== undefined).toBe(has());
  });

  it("makes a network once however often it is asked, shows it as asked for, and removes it twice without complaint", async (context) => {
    if (!has()) context.skip();
    await using own = fleet();
    const request = requestOf(own);
    await using _gone = cleanUp(driver(), own);
    await ensure(driver(), request);
    await ensure(driver(), request);
    const [found, ...more] = await networksOf(own);
    expect(more).toEqual([]);
    expect(found).toMatchObject({ name: request.name, network: "network/build", users: [] });
    expect(found?.spec).toMatchObject({ driver: "bridge", internal: true });
    expect(found?.gate).toBeUndefined();
    await drop(driver(), found?.object_id ?? "");
    await drop(driver(), found?.object_id ?? "");
    expect(await networksOf(own)).toEqual([]);
  });

  it("says who uses a network, running or not, and lets nobody take it from under them", async (context) => {
    if (!has()) context.skip();
    await using own = fleet();
    await using _gone = cleanUp(driver(), own);
    const request = requestOf(own);
    await ensure(driver(), request);
    const spec = await own.spec({ options: { network: request.name } });
    const labels = own.labels("user", spec);
    const { objectId } = await driver().create({ name: labels.name, labels, spec });
    const [created] = await networksOf(own);
    expect(created?.users).toEqual([{ object_id: objectId, name: labels.name }]);
    await expect(drop(driver(), created?.object_id ?? "")).rejects.toMatchObject({ kind: "conflict" });
    await driver().start(objectId);
    expect((await networksOf(own))[0]?.users).toHaveLength(1);
    await expect(drop(driver(), created?.object_id ?? "")).rejects.toMatchObject({ kind: "conflict" });
    await driver().remove(objectId, "delete");
    expect((await networksOf(own))[0]?.users).toEqual([]);
  });

  it("neither shows nor takes another fleet's network, and tells one in the way as foreign", async (context) => {
    if (!has()) context.skip();
    await using own = fleet();
    await using _gone = cleanUp(driver(), own);
    const request = requestOf(own);
    await ensure(driver(), request);
    const stranger = { fleet_id: "other1", networks: [request.name] };
    const seen = await own.observe(stranger);
    expect(seen.networks).toEqual([]);
    expect(seen.foreign.map((each) => each.name)).toContain(request.name);
    await expect(ensure(driver(), { ...request, fleet_id: "other1" })).rejects.toMatchObject({
      kind: "conflict",
    });
    expect(await networksOf(own)).toHaveLength(1);
  });
}

async function networksOf(own: Fleet): Promise<readonly ObservedNetwork[]> {
  return (await own.observe()).networks ?? [];
}

async function ensure(driver: Driver, request: NetworkRequest): Promise<void> {
  await driver.ensureNetwork?.(request);
}

async function drop(driver: Driver, id: string): Promise<void> {
  await driver.removeNetwork?.(id);
}

/** Disposed before the fleet is, so runtimes on the networks go first here. */
function cleanUp(driver: Driver, own: Fleet): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      const { runtimes, networks = [] } = await own.observe();
      for (const { object_id } of runtimes) await driver.remove(object_id, "delete");
      for (const { object_id } of networks) await driver.removeNetwork?.(object_id);
    },
  };
}
