/** What the Engine API answers of containers, as tolerant as wire.ts. */
import type { Parts } from "./parts.ts";
import {
  amount,
  argv,
  flag,
  keys,
  list,
  listAt,
  needed,
  optional,
  part,
  parts,
  table,
  text,
  texts,
  textsOrNone,
} from "./parts.ts";

interface Mount {
  readonly Type: string;
  readonly Name: string;
  readonly Source: string;
  readonly Destination: string;
  readonly RW: boolean;
}

function readMount(value: unknown): Mount {
  const of = parts(value, "Mounts");
  return {
    Type: text(of, "Type"),
    Name: text(of, "Name"),
    Source: text(of, "Source"),
    Destination: text(of, "Destination"),
    RW: flag(of, "RW"),
  };
}

function readUlimit(value: unknown) {
  const of = parts(value, "Ulimits");
  return { Name: needed(of, "Name"), Soft: amount(of, "Soft"), Hard: amount(of, "Hard") };
}

/** Of a block device: engines say it as its weight, or as a rate. */
function readDeviceLimit(value: unknown) {
  const of = parts(value, "Blkio");
  return { path: text(of, "Path"), limit: amount(of, "Weight") + amount(of, "Rate") };
}

function readDeviceRequest(value: unknown) {
  const of = parts(value, "DeviceRequests");
  return { Count: amount(of, "Count"), DeviceIDs: texts(of, "DeviceIDs") };
}

/** The fields of a spec, each in its own unit. */
function readLimits(of: Parts) {
  return {
    Memory: amount(of, "Memory"),
    MemorySwap: amount(of, "MemorySwap"),
    MemoryReservation: amount(of, "MemoryReservation"),
    OomKillDisable: flag(of, "OomKillDisable"),
    NanoCpus: amount(of, "NanoCpus"),
    CpuQuota: amount(of, "CpuQuota"),
    CpuPeriod: amount(of, "CpuPeriod"),
    CpuShares: amount(of, "CpuShares"),
    CpusetCpus: text(of, "CpusetCpus"),
    CpusetMems: text(of, "CpusetMems"),
    CpuRealtimePeriod: amount(of, "CpuRealtimePeriod"),
    CpuRealtimeRuntime: amount(of, "CpuRealtimeRuntime"),
    PidsLimit: amount(of, "PidsLimit"),
    KernelMemory: amount(of, "KernelMemory"),
    KernelMemoryTCP: amount(of, "KernelMemoryTCP"),
    BlkioWeight: amount(of, "BlkioWeight"),
    BlkioWeightDevice: listAt(of, "BlkioWeightDevice", readDeviceLimit),
    BlkioDeviceReadBps: listAt(of, "BlkioDeviceReadBps", readDeviceLimit),
    BlkioDeviceWriteBps: listAt(of, "BlkioDeviceWriteBps", readDeviceLimit),
    BlkioDeviceReadIOps: listAt(of, "BlkioDeviceReadIOps", readDeviceLimit),
    BlkioDeviceWriteIOps: listAt(of, "BlkioDeviceWriteIOps", readDeviceLimit),
    Ulimits: listAt(of, "Ulimits", readUlimit),
  };
}

/** What a container may, and what it sees of the machine. */
function readRights(of: Parts) {
  return {
    Privileged: flag(of, "Privileged"),
    CapAdd: texts(of, "CapAdd"),
    CapDrop: texts(of, "CapDrop"),
    SecurityOpt: texts(of, "SecurityOpt"),
    // Absent where the engine's own lists hold.
    MaskedPaths: textsOrNone(of, "MaskedPaths"),
    ReadonlyPaths: textsOrNone(of, "ReadonlyPaths"),
    Devices: listAt(of, "Devices", (each) => ({ PathOnHost: text(parts(each, "Devices"), "PathOnHost") })),
    DeviceRequests: listAt(of, "DeviceRequests", readDeviceRequest),
    DeviceCgroupRules: texts(of, "DeviceCgroupRules"),
    PidMode: text(of, "PidMode"),
    IpcMode: text(of, "IpcMode"),
    UTSMode: text(of, "UTSMode"),
    UsernsMode: text(of, "UsernsMode"),
    GroupAdd: texts(of, "GroupAdd"),
    VolumesFrom: texts(of, "VolumesFrom"),
    Sysctls: table(of, "Sysctls"),
    PortBindings: keys(of, "PortBindings"),
    PublishAllPorts: flag(of, "PublishAllPorts"),
  };
}

function readHostConfig(of: Parts) {
  return {
    NetworkMode: text(of, "NetworkMode"),
    RestartPolicy: optional(of, "RestartPolicy", (policy) => ({
      Name: text(policy, "Name"),
      MaximumRetryCount: amount(policy, "MaximumRetryCount"),
    })),
    Dns: texts(of, "Dns"),
    ExtraHosts: texts(of, "ExtraHosts"),
    ReadonlyRootfs: flag(of, "ReadonlyRootfs"),
    Init: flag(of, "Init"),
    Tmpfs: table(of, "Tmpfs"),
    ...readLimits(of),
    ...readRights(of),
  };
}
export type HostConfig = Readonly<ReturnType<typeof readHostConfig>>;

/** The networks that a container is on. */
function readEndpoints(of: Parts) {
  const networks = parts(parts(of["NetworkSettings"] ?? {}, "NetworkSettings")["Networks"] ?? {}, "Networks");
  return Object.entries(networks).map(([name, each]) => ({
    name,
    id: text(parts(each ?? {}, name), "NetworkID"),
  }));
}

function readState(of: Parts) {
  return {
    Status: text(of, "Status"),
    /** On the engine's machine; 0 when it does not run. */
    Pid: amount(of, "Pid"),
    ExitCode: amount(of, "ExitCode"),
    StartedAt: text(of, "StartedAt"),
    FinishedAt: text(of, "FinishedAt"),
    Error: text(of, "Error"),
    Health: optional(of, "Health", (health) => ({ Status: text(health, "Status") })),
  };
}

function readConfig(of: Parts) {
  return {
    User: text(of, "User"),
    Env: texts(of, "Env"),
    Cmd: argv(of, "Cmd"),
    Entrypoint: argv(of, "Entrypoint"),
    Image: text(of, "Image"),
    Labels: table(of, "Labels"),
    WorkingDir: text(of, "WorkingDir"),
    Healthcheck: optional(of, "Healthcheck", (check) => ({ Test: texts(check, "Test") })),
  };
}

export function readContainer(value: unknown) {
  const of = parts(value);
  return {
    Id: needed(of, "Id"),
    Name: needed(of, "Name"),
    Created: text(of, "Created"),
    Image: text(of, "Image"),
    /** What confines it, once it has been started; only what was asked for before that. */
    AppArmorProfile: text(of, "AppArmorProfile"),
    ExecIDs: texts(of, "ExecIDs"),
    /** How often the engine started it again by itself since somebody started it. */
    RestartCount: amount(of, "RestartCount"),
    State: readState(part(of, "State")),
    Config: readConfig(part(of, "Config")),
    HostConfig: readHostConfig(part(of, "HostConfig")),
    Mounts: listAt(of, "Mounts", readMount),
    NetworkSettings: readEndpoints(of),
  };
}
export type Container = Readonly<ReturnType<typeof readContainer>>;
/** What a container has from its creation to its end. */
export type MadeContainer = Pick<Container, "Id" | "Mounts"> & {
  readonly Config: Pick<Container["Config"], "Labels">;
  readonly HostConfig: Pick<Container["HostConfig"], "Init" | "ReadonlyRootfs" | "Tmpfs">;
};

export function madeOf({ Id, Mounts, Config, HostConfig }: Container): MadeContainer {
  const { Init, ReadonlyRootfs, Tmpfs } = HostConfig;
  return { Id, Mounts, Config: { Labels: Config.Labels }, HostConfig: { Init, ReadonlyRootfs, Tmpfs } };
}

export function readContainers(value: unknown) {
  return list(value, (each) => {
    const of = parts(each, "container");
    return {
      Id: needed(of, "Id"),
      Names: texts(of, "Names"),
      Labels: table(of, "Labels"),
      State: text(of, "State"),
      NetworkSettings: readEndpoints(of),
    };
  });
}
export type ListedContainer = Readonly<ReturnType<typeof readContainers>[number]>;
