import { expect } from "vitest";
import type { DriverEvent } from "../../src/drivers/driver.ts";
import type { DockerFleet } from "./docker-kit.ts";

/** Parts a container of the fleet and a foreign one from a network and joins them again; only of its own is it told. */
export async function expectHeardOfNetworks(fleet: DockerFleet, image: string): Promise<void> {
  const network = `${fleet.fleet}-events`;
  await fleet.docker("network", "create", network);
  const other = await fleet.docker("run", "-d", "--network", network, image, "sleep", "60");
  try {
    const ours = await fleet.up({ docker: { network } });
    const stop = new AbortController();
    const heard: DriverEvent[] = [];
    const stream = await fleet.driver.events(fleet.scope(), stop.signal);
    const listening = (async () => {
      for await (const event of stream) heard.push(event);
    })();
    for (const act of ["disconnect", "connect"]) {
      await fleet.docker("network", act, network, other);
      const before = heard.length;
      await fleet.docker("network", act, network, ours);
      await expect.poll(() => heard.length, { message: act }).toBeGreaterThan(before);
    }
    const known = heard.length;
    await fleet.docker("network", "disconnect", network, other);
    await fleet.docker("rm", "-f", other);
    await fleet.docker("kill", ours);
    await expect.poll(() => heard.length, { message: "kill" }).toBeGreaterThan(known);
    stop.abort();
    await listening;
    expect(heard.filter((event) => event.kind === "changed" && event.address !== "agent/work")).toEqual([]);
    expect(heard.filter(({ kind }) => kind === "gap")).toHaveLength(1);
  } finally {
    const left = await fleet.docker("ps", "-aq", "--filter", `network=${network}`);
    if (left !== "") await fleet.docker("rm", "-f", ...left.split("\n"));
    await fleet.docker("rm", "-f", other).catch(() => undefined);
    await fleet.docker("network", "rm", network);
  }
}
