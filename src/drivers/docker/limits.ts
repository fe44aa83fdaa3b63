import type { Json, JsonObject } from "../../model/json.ts";
import type { Section } from "./section.ts";
import type { HostConfig } from "./wire-container.ts";
import type { Info } from "./wire.ts";

const NANO = 1e9;
const DEFAULT_PERIOD = 100_000;
const UNLIMITED = -1;

/** `HostConfig` members for the limits of a section; used by create, and in parts by update. */
export function limitOptions(section: Section): Record<string, Json> {
  const options: Record<string, Json> = { PidsLimit: pidsLimit(section) };
  if (section.memory !== undefined) Object.assign(options, memoryOptions(section));
  if (section.cpus !== undefined) options["NanoCpus"] = nanoCpus(section.cpus);
  const ulimits = Object.entries(section.ulimits).map(([Name, value]) =>
    typeof value === "number"
      ? { Name, Soft: value, Hard: value }
      : { Name, Soft: value.soft, Hard: value.hard },
  );
  if (ulimits.length > 0) options["Ulimits"] = ulimits;
  if (section.gpus !== undefined) options["DeviceRequests"] = [gpuRequest(section.gpus)];
  return options;
}

/** Body of an update for the given field-table paths; members that are absent from the spec cannot be taken away. */
export function updateOptions(section: Section, paths: readonly string[]): JsonObject {
  const wants = new Set(paths);
  const options: Record<string, Json> = {};
  if (section.memory !== undefined && (wants.has("docker.memory") || wants.has("docker.memory_swap"))) {
    Object.assign(options, memoryOptions(section));
  }
  if (section.cpus !== undefined && wants.has("docker.cpus")) options["NanoCpus"] = nanoCpus(section.cpus);
  if (wants.has("docker.pids")) options["PidsLimit"] = pidsLimit(section);
  if (wants.has("docker.restart")) options["RestartPolicy"] = { Name: section.restart };
  return options;
}

/** Memory and swap together, where only memory was asked: what engines make of that. */
export function impliedSwap(memory: number): number {
  return memory * 2;
}

/** Always together: the engine refuses memory above the old total of memory and swap. */
function memoryOptions({ memory, memory_swap: swap }: Section): JsonObject {
  if (memory === undefined) return {};
  return { Memory: memory, MemorySwap: swap === "unlimited" ? UNLIMITED : (swap ?? impliedSwap(memory)) };
}

function nanoCpus(cpus: number): number {
  return Math.round(cpus * NANO);
}

/** As exact as an engine keeps it: one that was asked for more would never be seen as it was asked. */
export function exactCpus(cpus: number): number {
  return nanoCpus(cpus) / NANO;
}

function pidsLimit({ pids }: Section): number {
  return pids === "unlimited" ? UNLIMITED : pids;
}

/** Limits as observed. One that the engine does not support is left out: it could not be set, so it cannot drift. */
export function readLimits(config: HostConfig, info: Info): Record<string, Json> {
  const fields: Record<string, Json> = { "docker.engine_limits": foreignLimits(config) };
  if (info.MemoryLimit) {
    fields["docker.memory"] = config.Memory === 0 ? null : config.Memory;
    if (info.SwapLimit) fields["docker.memory_swap"] = readSwap(config);
  }
  if (info.CpuCfsQuota) fields["docker.cpus"] = readCpus(config);
  if (info.PidsLimit) fields["docker.pids"] = config.PidsLimit > 0 ? config.PidsLimit : "unlimited";
  return fields;
}

interface Unsupported {
  readonly path: string;
  readonly test: (info: Info) => boolean;
  /** What an engine says of it at a creation. */
  readonly warning: RegExp;
  readonly why: string;
}

/** Whether the engine says that its machine has AppArmor: one without takes any profile and applies none. */
export function hasAppArmor({ SecurityOptions }: Info): boolean {
  return SecurityOptions.some((option) => option.includes("name=apparmor"));
}

/** What an engine takes and ignores. Swap comes first: its warning speaks of memory, too. */
const UNSUPPORTED: readonly Unsupported[] = [
  {
    path: "docker.memory_swap",
    test: (info) => !info.SwapLimit,
    warning: /\bswap\b/i,
    why: "the engine cannot limit swap; boot with swapaccount=1, or leave memory_swap out",
  },
  {
    path: "docker.memory",
    test: (info) => !info.MemoryLimit,
    warning: /\bmemory\b/i,
    why: "the engine cannot limit memory; enable the memory control group",
  },
  {
    path: "docker.pids",
    test: (info) => !info.PidsLimit,
    warning: /\bpids\b/i,
    why: 'the engine cannot limit processes; enable the pids control group, or say pids = "unlimited"',
  },
  {
    path: "docker.cpus",
    test: (info) => !info.CpuCfsQuota,
    warning: /\bcpu\b/i,
    why: "the engine cannot limit CPU time; enable the cpu control group",
  },
  {
    path: "docker.apparmor",
    test: (info) => !hasAppArmor(info),
    warning: /\bapparmor\b/i,
    why: "the engine's machine has no AppArmor, and the engine leaves the profile out without a word",
  },
];

/** Field path → why, for limits and the profile that this engine cannot enforce. */
export function unsupportedLimits(info: Info): Record<string, string> {
  return Object.fromEntries(UNSUPPORTED.filter(({ test }) => test(info)).map(({ path, why }) => [path, why]));
}

/** The field that a warning says is not enforced: `Your kernel does not support swap limit capabilities …`. */
export function warnedOf(message: string): string | undefined {
  if (!/not support|discarded|without|ignored/i.test(message)) return undefined;
  return UNSUPPORTED.find(({ warning }) => warning.test(message))?.path;
}

function readSwap({ Memory, MemorySwap }: HostConfig): Json {
  if (Memory === 0) return null;
  if (MemorySwap === UNLIMITED) return "unlimited";
  return MemorySwap === 0 ? Memory * 2 : MemorySwap;
}

/**
 * CPU is three numbers. A quota or a period beside or instead of NanoCpus is told as a text: it equals no configured
 * number, so it is drift, and one that only a recreate can undo. With both set, inspect's NanoCpus alone would lie; and a
 * period that limits nothing yet makes the engine refuse every number that is to come.
 */
function readCpus({ NanoCpus, CpuQuota, CpuPeriod }: HostConfig): Json {
  const cores = NanoCpus === 0 ? null : NanoCpus / NANO;
  if (CpuQuota === 0) return CpuPeriod === 0 ? cores : `${cores ?? "unlimited"} (period ${CpuPeriod})`;
  const period = CpuPeriod === 0 ? DEFAULT_PERIOD : CpuPeriod;
  return CpuQuota < 0 ? "unlimited (quota -1)" : `${CpuQuota / period} (quota ${CpuQuota}/${period})`;
}

/** Limits that no key of ours sets, as one text; null when there are none. */
function foreignLimits(config: HostConfig): Json {
  const found = Object.entries({
    cpu_shares: config.CpuShares,
    cpuset_cpus: config.CpusetCpus,
    cpuset_mems: config.CpusetMems,
    cpu_rt_period: config.CpuRealtimePeriod,
    cpu_rt_runtime: config.CpuRealtimeRuntime,
    memory_reservation: config.MemoryReservation,
    kernel_memory: config.KernelMemory,
    kernel_memory_tcp: config.KernelMemoryTCP,
    blkio_weight: config.BlkioWeight,
    blkio_weight_device: perDevice(config.BlkioWeightDevice),
    blkio_read_bps: perDevice(config.BlkioDeviceReadBps),
    blkio_write_bps: perDevice(config.BlkioDeviceWriteBps),
    blkio_read_iops: perDevice(config.BlkioDeviceReadIOps),
    blkio_write_iops: perDevice(config.BlkioDeviceWriteIOps),
    oom_kill_disable: config.OomKillDisable,
  }).filter(([, value]) => value !== 0 && value !== "" && value !== false);
  return found.length === 0 ? null : found.map(([name, value]) => `${name}=${value}`).join(" ");
}

function perDevice(limits: HostConfig["BlkioWeightDevice"]): string {
  return limits
    .map(({ path, limit }) => `${path}:${limit}`)
    .toSorted()
    .join(",");
}

function gpuRequest(gpus: string): JsonObject {
  const capabilities = [["gpu"]];
  if (gpus === "all") return { Count: UNLIMITED, Capabilities: capabilities };
  if (gpus.startsWith("device=")) {
    return { DeviceIDs: gpus.slice("device=".length).split(","), Capabilities: capabilities };
  }
  return { Count: Number(gpus), Capabilities: capabilities };
}

export function readGpus(requests: HostConfig["DeviceRequests"]): Json {
  const [request] = requests;
  if (request === undefined) return null;
  if (request.DeviceIDs.length > 0) return `device=${request.DeviceIDs.join(",")}`;
  return request.Count === UNLIMITED ? "all" : String(request.Count);
}
