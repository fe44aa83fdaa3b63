import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { DriverEvent } from "../../src/drivers/driver.ts";
import type { DockerFleet } from "./docker-kit.ts";

/** What is not told within this time is not told. */
const SILENCE_MS = 300;
const PATIENCE = { timeout: 10_000 } as const;

/** Parts a container of the fleet and a foreign one from a network and joins them again; only of its own is it told. */
export async function expectHeardOfNetworks(fleet: DockerFleet, image: string): Promise<void> {
  const network = `${fleet.fleet}-events`;
  const other = `${network}-other`;
  const stop = new AbortController();
  try {
    await fleet.docker("network", "create", network);
    await fleet.docker("run", "-d", "--name", other, "--network", network, image, "sleep", "60");
    const ours = await fleet.up({ docker: { network } });
    const heard: DriverEvent[] = [];
    const stream = await fleet.driver.events(fleet.scope(), stop.signal);
    const listening = (async () => {
      for await (const event of stream) heard.push(event);
    })();
    for (const act of ["disconnect", "connect"]) {
      await sleep(SILENCE_MS);
      const before = heard.length;
      await fleet.docker("network", act, network, other);
      await sleep(SILENCE_MS);
      expect(heard.slice(before), act).toEqual([]);
      await fleet.docker("network", act, network, ours);
      await expect.poll(() => heard.length, { ...PATIENCE, message: act }).toBeGreaterThan(before);
    }
    stop.abort();
    await listening;
    expect(heard.pop()).toEqual({ kind: "gap" });
    expect(new Set(heard.map((event) => JSON.stringify(event)))).toEqual(
      new Set([JSON.stringify({ kind: "changed", address: "agent/work" })]),
    );
  } finally {
    stop.abort();
    const left = await fleet.docker("ps", "-aq", "--filter", `label=sandkeep.fleet=${fleet.fleet}`);
    for (const id of [other, ...left.split("\n").filter((each) => each !== "")])
      await fleet.docker("rm", "-f", id).catch(() => undefined);
    await fleet.docker("network", "rm", network);
  }
}
