import { describe, expect, it } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import { readLimits } from "../../../src/drivers/docker/limits.ts";
import { readContainer } from "../../../src/drivers/docker/wire-container.ts";
import { readInfo } from "../../../src/drivers/docker/wire.ts";
import type { Json } from "../../../src/model/json.ts";

/** What a container with this `HostConfig` shows of its limits. */
function shown(HostConfig: object): Readonly<Record<string, Json>> {
  const container = readContainer({ Id: "c1", Name: "/sk-a", State: {}, Config: {}, HostConfig });
  return readLimits(container.HostConfig, readInfo({}));
}

const change = (path: string, before: Json, after: Json | undefined) =>
  dockerDriver.fields.find((row) => row.path === path)?.classify(before, after);

describe("the CPU limit of a container", () => {
  it.each<[string, object, Json]>([
    ["none", {}, null],
    ["a number of cores", { NanoCpus: 1_500_000_000 }, 1.5],
    ["a quota", { CpuQuota: 50_000 }, "0.5 (quota 50000/100000)"],
    ["a quota of a period", { CpuQuota: 50_000, CpuPeriod: 50_000 }, "1 (quota 50000/50000)"],
    ["no quota any more", { NanoCpus: 500_000_000, CpuQuota: -1 }, "unlimited (quota -1)"],
    ["a period that limits nothing yet", { CpuPeriod: 50_000 }, "unlimited (period 50000)"],
    ["a period beside a number of cores", { NanoCpus: 500_000_000, CpuPeriod: 50_000 }, "0.5 (period 50000)"],
  ])("is read: %s", (_, host, expected) => {
    expect(shown(host)["docker.cpus"]).toEqual(expected);
  });

  it("that somebody set as a period can only be replaced, since the engine refuses every number after it", () => {
    const { "docker.cpus": period = null } = shown({ CpuPeriod: 50_000 });
    expect(change("docker.cpus", period, undefined)).toBe("recreate");
    expect(change("docker.cpus", period, 1)).toBe("recreate");
  });
});

describe("a limit that no config key asks for", () => {
  const disk = { Path: "/dev/sda", Rate: 1024 };

  it.each<[object, string]>([
    [{ CpuShares: 100 }, "cpu_shares=100"],
    [{ KernelMemory: 64 }, "kernel_memory=64"],
    [{ KernelMemoryTCP: 64 }, "kernel_memory_tcp=64"],
    [{ BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 300 }] }, "blkio_weight_device=/dev/sda:300"],
    [{ BlkioDeviceReadBps: [disk] }, "blkio_read_bps=/dev/sda:1024"],
    [{ BlkioDeviceWriteBps: [disk] }, "blkio_write_bps=/dev/sda:1024"],
    [{ BlkioDeviceReadIOps: [disk] }, "blkio_read_iops=/dev/sda:1024"],
    [
      { BlkioDeviceWriteIOps: [{ Path: "/dev/sdb", Rate: 5 }, disk] },
      "blkio_write_iops=/dev/sda:1024,/dev/sdb:5",
    ],
    [{ CpusetCpus: "0", BlkioWeight: 10 }, "cpuset_cpus=0 blkio_weight=10"],
  ])("is seen: %j", (host, expected) => {
    expect(shown(host)["docker.engine_limits"]).toBe(expected);
  });

  it("is not there where an engine says null or nothing of it", () => {
    const nothing = { KernelMemory: null, BlkioDeviceReadBps: null, BlkioWeightDevice: [] };
    expect(shown(nothing)["docker.engine_limits"]).toBeNull();
  });
});
