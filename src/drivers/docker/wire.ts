/**
 * The parts of the Engine API's answers that we read. Everything is tolerant of null and absence: engines of other
 * versions, and Podman, leave out what they do not know.
 */
import type { Parts } from "./parts.ts";
import {
  amount,
  flag,
  keys,
  list,
  listAt,
  Misshapen,
  needed,
  optional,
  parts,
  table,
  text,
  texts,
} from "./parts.ts";

type Table = Readonly<Record<string, string>>;

const LAYER_KINDS = ["changed", "added", "deleted"] as const;

/** Engines answer null for a layer in which nothing changed. */
export function readLayerChanges(value: unknown) {
  return list(value ?? [], (each) => {
    const of = parts(each, "change");
    const kind = LAYER_KINDS[amount(of, "Kind")];
    if (kind === undefined) throw new Misshapen("Kind", "0, 1 or 2", of["Kind"]);
    return { path: needed(of, "Path"), kind };
  });
}

export function readLayerSize(value: unknown) {
  return { SizeRw: amount(parts(value), "SizeRw") };
}

function readSubnets(of: Parts) {
  return listAt(of, "Config", (each) => {
    const config = parts(each, "IPAM.Config");
    return { Subnet: text(config, "Subnet"), Gateway: text(config, "Gateway") };
  });
}

export function readNetworks(value: unknown) {
  return list(value, (each) => {
    const of = parts(each, "network");
    return {
      Id: needed(of, "Id"),
      Name: needed(of, "Name"),
      Driver: text(of, "Driver"),
      Internal: flag(of, "Internal"),
      Labels: table(of, "Labels"),
      Options: table(of, "Options"),
      IPAM: optional(of, "IPAM", readSubnets) ?? [],
    };
  });
}
export type ListedNetwork = Readonly<ReturnType<typeof readNetworks>[number]>;

export function readCreated(value: unknown) {
  const of = parts(value);
  return { Id: needed(of, "Id"), Warnings: texts(of, "Warnings") };
}

export function readExec(value: unknown) {
  const of = parts(value);
  const code = of["ExitCode"] ?? undefined;
  return {
    Running: flag(of, "Running"),
    /** Undefined while it runs. */
    ExitCode: code === undefined ? undefined : amount(of, "ExitCode"),
    Pid: amount(of, "Pid"),
    ProcessConfig:
      optional(of, "ProcessConfig", (process) => [
        text(process, "entrypoint"),
        ...texts(process, "arguments"),
      ]) ?? [],
  };
}
export type Exec = Readonly<ReturnType<typeof readExec>>;

function readImageConfig(of: Parts) {
  return {
    Env: texts(of, "Env"),
    Labels: table(of, "Labels"),
    User: text(of, "User"),
    Volumes: keys(of, "Volumes"),
  };
}

export function readImage(value: unknown) {
  const of = parts(value);
  return {
    Id: needed(of, "Id"),
    Os: text(of, "Os"),
    Architecture: text(of, "Architecture"),
    Variant: text(of, "Variant"),
    Config: optional(of, "Config", readImageConfig),
  };
}
export type Image = Readonly<ReturnType<typeof readImage>>;

export function readImages(value: unknown) {
  return list(value, (each) => {
    const of = parts(each, "image");
    return {
      Id: needed(of, "Id"),
      RepoTags: texts(of, "RepoTags"),
      RepoDigests: texts(of, "RepoDigests"),
      Size: amount(of, "Size"),
    };
  });
}

/** Who uses something; engines list every container with its image's id. */
export function readUsers(value: unknown) {
  return list(value, (each) => {
    const of = parts(each, "container");
    return { Id: needed(of, "Id"), Names: texts(of, "Names"), ImageID: text(of, "ImageID") };
  });
}

export function readTop(value: unknown) {
  const rows = { rows: parts(value)["Processes"] ?? [] };
  return { Processes: listAt(rows, "rows", (row) => texts({ row }, "row")) };
}

export function readVersion(value: unknown) {
  const of = parts(value);
  return { Os: text(of, "Os"), Arch: text(of, "Arch") };
}

export function readVolume(value: unknown): { readonly Name: string; readonly Labels: Table } {
  const of = parts(value, "volume");
  return { Name: needed(of, "Name"), Labels: table(of, "Labels") };
}

export function readVolumes(value: unknown) {
  return { Volumes: listAt(parts(value), "Volumes", readVolume) };
}

/** Whether each registry is asked with encryption: by its name, where absent says yes, and by its address. */
function readRegistries(of: Parts) {
  const configs = Object.entries(parts(of["IndexConfigs"] ?? {}, "IndexConfigs")).map(([name, config]) => {
    return [name, { Secure: flag(parts(config, name), "Secure", true) }] as const;
  });
  return {
    IndexConfigs: Object.fromEntries(configs),
    InsecureRegistryCIDRs: texts(of, "InsecureRegistryCIDRs"),
  };
}

const NO_LIMITS = { MemoryLimit: false, SwapLimit: false, CpuCfsQuota: false, PidsLimit: false };

/**
 * Absent flags of limits count as support: only a clear "no" of the engine makes a limit unobservable. A rootless engine on
 * the older control groups says what the machine could limit, and limits nothing.
 */
export function readInfo(value: unknown) {
  const of = parts(value);
  const options = texts(of, "SecurityOptions");
  // Podman's way to say what Docker says in its security options; Podman 4 says it only here.
  const Rootless = flag(of, "Rootless") || options.some((option) => option.includes("name=rootless"));
  const info = readClaims(of);
  return { ...info, Rootless, ...(Rootless && info.CgroupVersion !== "2" ? NO_LIMITS : {}) };
}
export type Info = Readonly<ReturnType<typeof readInfo>>;

function readClaims(of: Parts) {
  return {
    OSType: text(of, "OSType") || "linux",
    SystemTime: text(of, "SystemTime"),
    CgroupVersion: text(of, "CgroupVersion"),
    SecurityOptions: texts(of, "SecurityOptions"),
    MemoryLimit: flag(of, "MemoryLimit", true),
    SwapLimit: flag(of, "SwapLimit", true),
    CpuCfsQuota: flag(of, "CpuCfsQuota", true),
    PidsLimit: flag(of, "PidsLimit", true),
    ID: text(of, "ID"),
    Name: text(of, "Name"),
    DockerRootDir: text(of, "DockerRootDir"),
    ServerVersion: text(of, "ServerVersion"),
    KernelVersion: text(of, "KernelVersion"),
    NCPU: amount(of, "NCPU"),
    MemTotal: amount(of, "MemTotal"),
    RegistryConfig: readRegistries(parts(of["RegistryConfig"] ?? {}, "RegistryConfig")),
  };
}

export type EngineEvent = ReturnType<typeof readEvent>;

function readEvent(value: unknown) {
  const of = parts(value, "event");
  return {
    Type: text(of, "Type"),
    Action: text(of, "Action"),
    Id: optional(of, "Actor", (actor) => text(actor, "ID")) ?? "",
    Labels: optional(of, "Actor", (actor) => table(actor, "Attributes")) ?? {},
  };
}

/** What a line of an event stream tells; undefined for one that is no event. */
export function eventIn(line: string): EngineEvent | undefined {
  try {
    return readEvent(JSON.parse(line));
  } catch {
    return undefined;
  }
}

export function readProgress(value: unknown) {
  const of = parts(value, "progress");
  return {
    status: text(of, "status"),
    id: text(of, "id"),
    error: text(of, "error"),
    progressDetail: optional(of, "progressDetail", (detail) => ({
      current: amount(detail, "current"),
      total: amount(detail, "total"),
    })),
  };
}

/** Milliseconds since the epoch; the engine writes the year 1 for "never". */
export function time(told: string): number | undefined {
  const value = Date.parse(told);
  return Number.isNaN(value) || value <= 0 ? undefined : value;
}
