import { expect, it } from "vitest";
import type { Json } from "../../src/model/json.ts";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";

describeWithServices("privileges that no key gives, on a real engine", (services) => {
  it("sees that a container made by hand in its place hides nothing of the machine", async () => {
    const { docker } = services();
    await using fleet = await DockerFleet.open(docker.host, docker.images.busybox);
    const privileges = async (of: string): Promise<Json | undefined> =>
      (await fleet.driver.inspect(of))?.fields["docker.engine_privileges"];
    const id = await fleet.create();
    expect(await privileges(id)).toBeNull();
    const labels = JSON.parse(await fleet.docker("inspect", "-f", "{{json .Config.Labels}}", id)) as object;
    const words = Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${String(value)}`]);
    const open = ["--security-opt", "systempaths=unconfined"];
    const other = await fleet.docker("create", ...words, ...open, docker.images.busybox);
    const told = await privileges(other);
    expect(told).toContain("unmasked=/proc/kcore,/proc/keys,/proc/timer_list,/sys/firmware");
    expect(told).toContain("writable=/proc/bus,/proc/fs,/proc/irq,/proc/sys,/proc/sysrq-trigger");
  });
});
