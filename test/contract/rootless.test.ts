import { execFile } from "node:child_process";
import { chown } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { unenforced } from "../../src/diff/fields.ts";
import { podmanDriver } from "../../src/drivers/docker/podman.ts";
import { describeWith } from "../support/services.ts";
import { describeDriverContract } from "./driver-contract.ts";
import { DockerFleet } from "./docker-kit.ts";
import { MIB, engineHarness } from "./engine-harness.ts";

// What it cannot do: limit anything on the older control groups, set ulimits at all, and, where the machine gives
// ordinary users no /dev/net/tun, make a bridge. What was asked of it nonetheless is told below.

const UNLIMITED = { pids: "unlimited" } as const;

describeWith(["rootless"], "a real Podman of an ordinary user", (services) => {
  describeDriverContract("rootless podman", () => {
    const service = services().rootless;
    return engineHarness({
      module: podmanDriver,
      service,
      uid: service.uid,
      cli: ["podman", "--url", service.host],
      live: [],
      plain: UNLIMITED,
      variants: {
        limits: {},
        swap: {},
        "a bridge with names": { options: { network: "host", extra_hosts: ["build:192.0.2.2"] } },
      },
    });
  });

  it("names each limit that it leaves out, and why", async () => {
    const { host, images, uid } = services().rootless;
    await using fleet = await DockerFleet.open(host, images.busybox, undefined, {}, podmanDriver);
    await chown(fleet.workspace, uid, uid);
    const asked = { memory: 64 * MIB, pids: 64, cpus: 0.5, ulimits: { nofile: 512 } };
    const seen = await fleet.driver.inspect(await fleet.create({ docker: asked }));
    if (seen === undefined) throw new Error("gone");
    const missing = unenforced(fleet.spec({ docker: asked }), seen, podmanDriver.fields);
    const { stdout } = await promisify(execFile)("stat", ["-fc", "%T", "/sys/fs/cgroup"]);
    const limits = stdout.trim() === "cgroup2fs" ? [] : ["podman.cpus", "podman.memory", "podman.pids"];
    expect(missing.map(({ path }) => path).toSorted()).toEqual([...limits, "podman.ulimits"]);
    expect(await fleet.driver.probe()).toMatchObject({
      status: "degraded",
      reasons: expect.arrayContaining([expect.objectContaining({ code: "rootless-user-mapping" })]),
    });
  });
});
