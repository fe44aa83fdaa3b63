import * as z from "zod";

/**
 * The parts of the Engine API's answers that we read. Everything is tolerant of null and absence: engines of other
 * versions, and Podman, leave out what they do not know.
 */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const amount = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const texts = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? []);
const table = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});
/** The names in a table whose values do not matter. */
const keys = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => Object.keys(value ?? {}));
const argv = z
  .union([z.array(z.string()), z.string()])
  .nullish()
  .transform((value) => (typeof value === "string" ? [value] : (value ?? [])));

const mount = z.object({
  Type: text,
  Name: text,
  Source: text,
  Destination: text,
  RW: flag,
});

const hostConfig = z.object({
  NetworkMode: text,
  RestartPolicy: z.object({ Name: text, MaximumRetryCount: amount }).nullish(),
  CapDrop: texts,
  SecurityOpt: texts,
  /** Null where the engine's own lists hold. */
  MaskedPaths: z.array(z.string()).nullish(),
  ReadonlyPaths: z.array(z.string()).nullish(),
  Dns: texts,
  ExtraHosts: texts,
  ReadonlyRootfs: flag,
  Init: flag,
  Tmpfs: table,
  Ulimits: z
    .array(z.object({ Name: z.string(), Soft: amount, Hard: amount }))
    .nullish()
    .transform((value) => value ?? []),
  DeviceRequests: z
    .array(z.object({ Count: amount, DeviceIDs: texts }))
    .nullish()
    .transform((value) => value ?? []),
  Memory: amount,
  MemorySwap: amount,
  NanoCpus: amount,
  CpuQuota: amount,
  CpuPeriod: amount,
  PidsLimit: amount,
  CpuShares: amount,
  CpusetCpus: text,
  CpusetMems: text,
  CpuRealtimePeriod: amount,
  CpuRealtimeRuntime: amount,
  MemoryReservation: amount,
  BlkioWeight: amount,
  OomKillDisable: flag,
  Privileged: flag,
  CapAdd: texts,
  Devices: z
    .array(z.object({ PathOnHost: text }))
    .nullish()
    .transform((value) => value ?? []),
  DeviceCgroupRules: texts,
  PidMode: text,
  IpcMode: text,
  UTSMode: text,
  UsernsMode: text,
  GroupAdd: texts,
  VolumesFrom: texts,
  Sysctls: table,
  PortBindings: keys,
  PublishAllPorts: flag,
});

const endpoints = z
  .object({ Networks: z.record(z.string(), z.object({ NetworkID: text }).nullish()).nullish() })
  .nullish()
  .transform((value) =>
    Object.entries(value?.Networks ?? {}).map(([name, each]) => ({ name, id: each?.NetworkID ?? "" })),
  );

export const containerSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Created: text,
  Image: text,
  ExecIDs: texts,
  State: z.object({
    Status: text,
    ExitCode: amount,
    StartedAt: text,
    FinishedAt: text,
    Error: text,
    Health: z.object({ Status: text }).nullish(),
  }),
  Config: z.object({
    User: text,
    Env: texts,
    Cmd: argv,
    Entrypoint: argv,
    Image: text,
    Labels: table,
    WorkingDir: text,
    Healthcheck: z.object({ Test: texts }).nullish(),
  }),
  HostConfig: hostConfig,
  Mounts: z
    .array(mount)
    .nullish()
    .transform((value) => value ?? []),
  NetworkSettings: endpoints,
});
export type Container = z.infer<typeof containerSchema>;
export type HostConfig = z.infer<typeof hostConfig>;

const LAYER_KINDS = ["changed", "added", "deleted"] as const;

/** Engines answer null for a layer in which nothing changed. */
export const layerChangesSchema = z
  .array(
    z
      .object({ Path: z.string(), Kind: z.int().min(0).max(2) })
      .transform(({ Path, Kind }) => ({ path: Path, kind: LAYER_KINDS[Kind] ?? LAYER_KINDS[0] })),
  )
  .nullable()
  .transform((value) => value ?? []);

export const layerSizeSchema = z.object({ SizeRw: amount });

export const containerListSchema = z.array(
  z.object({ Id: z.string(), Names: texts, Labels: table, State: text, NetworkSettings: endpoints }),
);
export type ListedContainer = z.infer<typeof containerListSchema>[number];

export const networkListSchema = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    Driver: text,
    Internal: flag,
    Labels: table,
    Options: table,
    IPAM: z
      .object({ Config: z.array(z.object({ Subnet: text, Gateway: text })).nullish() })
      .nullish()
      .transform((value) => value?.Config ?? []),
  }),
);
export type ListedNetwork = z.infer<typeof networkListSchema>[number];

export const createdSchema = z.object({ Id: z.string(), Warnings: texts });

export const execSchema = z.object({
  Running: flag,
  ExitCode: z.number().nullish(),
  Pid: amount,
  ProcessConfig: z
    .object({ entrypoint: text, arguments: texts })
    .nullish()
    .transform((value) =>
      value === null || value === undefined ? [] : [value.entrypoint, ...value.arguments],
    ),
});
export type Exec = z.infer<typeof execSchema>;

export const imageSchema = z.object({
  Id: z.string(),
  Os: text,
  Architecture: text,
  Variant: text,
  Config: z.object({ Env: texts, Labels: table, User: text, Volumes: keys }).nullish(),
});
export type Image = z.infer<typeof imageSchema>;

export const imageListSchema = z.array(
  z.object({ Id: z.string(), RepoTags: texts, RepoDigests: texts, Size: amount }),
);

/** Who uses which image; engines list every container with its image's id. */
export const imageUsersSchema = z.array(z.object({ Id: z.string(), Names: texts, ImageID: text }));

export const topSchema = z.object({
  Processes: z
    .array(z.array(z.string()))
    .nullish()
    .transform((value) => value ?? []),
});

export const versionSchema = z.object({ Os: text, Arch: text });

const volume = z.object({ Name: z.string(), Labels: table });
export const volumeSchema = volume;
export const volumeListSchema = z.object({
  Volumes: z
    .array(volume)
    .nullish()
    .transform((value) => value ?? []),
});

/** Absent flags count as support: only a clear "no" of the engine makes a limit unobservable. */
const supported = z
  .boolean()
  .nullish()
  .transform((value) => value ?? true);
const infoFields = z.object({
  OSType: z
    .string()
    .nullish()
    .transform((value) => value ?? "linux"),
  SystemTime: text,
  CgroupVersion: text,
  SecurityOptions: texts,
  /** Podman's way to say what Docker says in its security options; Podman 4 says it only here. */
  Rootless: z
    .boolean()
    .nullish()
    .transform((value) => value ?? false),
  MemoryLimit: supported,
  SwapLimit: supported,
  CpuCfsQuota: supported,
  PidsLimit: supported,
  ID: text,
  Name: text,
  DockerRootDir: text,
  RegistryConfig: z
    .object({ IndexConfigs: z.record(z.string(), z.object({ Secure: supported })).nullish() })
    .nullish()
    .transform((value) => value?.IndexConfigs ?? {}),
});
const NO_LIMITS = { MemoryLimit: false, SwapLimit: false, CpuCfsQuota: false, PidsLimit: false };

/** A rootless engine on the older control groups says what the machine could limit, and limits nothing. */
export const infoSchema = infoFields.transform((info) => {
  const Rootless = info.Rootless || info.SecurityOptions.some((option) => option.includes("name=rootless"));
  return { ...info, Rootless, ...(Rootless && info.CgroupVersion !== "2" ? NO_LIMITS : {}) };
});
export type Info = z.infer<typeof infoSchema>;

export const eventSchema = z.object({
  Type: text,
  Action: text,
  Actor: z.object({ Attributes: table }).nullish(),
});

export const progressSchema = z.object({
  status: text,
  id: text,
  error: text,
  progressDetail: z.object({ current: amount, total: amount }).nullish(),
});

/** Milliseconds since the epoch; the engine writes the year 1 for "never". */
export function time(told: string): number | undefined {
  const value = Date.parse(told);
  return Number.isNaN(value) || value <= 0 ? undefined : value;
}
