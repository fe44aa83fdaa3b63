import * as z from "zod";
import { diagnosticSchema } from "./diagnostic.ts";

const at = z.iso.datetime();
const bytes = z.int().min(0);

/** Headroom of the file system that a place lies on. */
export const diskSchema = z.strictObject({
  /** What lies there: `root`, `state`, `sandboxes` or an engine's name. */
  what: z.string(),
  /** Mount point. */
  mount: z.string(),
  total: bytes,
  available: bytes,
  /** Null where the file system counts none. */
  inodes: z.int().min(0).nullable(),
  inodes_free: z.int().min(0).nullable(),
});
export type Disk = z.infer<typeof diskSchema>;

/** Bytes that an engine keeps, by what for. */
const diskUseSchema = z.strictObject({
  images: bytes,
  containers: bytes,
  volumes: bytes,
  build_cache: bytes,
});
export type DiskUse = z.infer<typeof diskUseSchema>;

const engineSchema = z.strictObject({
  engine: z.string(),
  status: z.enum(["ready", "absent", "unreachable"]),
  version: z.string().nullable(),
  /** Folder that it keeps its images and containers in. */
  root: z.string().nullable(),
  message: z.string().nullable(),
  /** Only where the engine's own API was asked. */
  disk_use: diskUseSchema.optional(),
});

/** A container of whomever. What it says of itself is the word of whoever made it. */
export const hostContainerSchema = z.strictObject({
  engine: z.string(),
  object_id: z.string(),
  name: z.string(),
  status: z.string(),
  created_at: at.nullable(),
  /** Commands that the engine says run inside. */
  execs: z.int().min(0),
  /** Labels that tell sandboxes apart: those of sandkeep, of Compose, and those that the config names. */
  labels: z.record(z.string(), z.string()),
});
export type HostContainer = z.infer<typeof hostContainerSchema>;

/** What an engine's API tells of itself, of its machine, and of everything it holds. */
export interface EngineInventory {
  readonly node: string;
  readonly kernel: string;
  /** Null for what it does not tell. */
  readonly cpus: number | null;
  /** Bytes. */
  readonly memory_total: number | null;
  readonly version: string;
  readonly root: string;
  readonly containers: readonly HostContainer[];
  readonly disk_use?: DiskUse;
  /** Containers that are left out. */
  readonly left: number;
}

/** A folder where sandboxes are kept. */
export const hostDirectorySchema = z.strictObject({
  /** `runtime`: where a fleet keeps its sandboxes. `directory`: beside them, of whomever. */
  kind: z.enum(["runtime", "directory", "link"]),
  /** Real path of the folder that it stands in. */
  parent: z.string(),
  name: z.string(),
  /** Device and inode: what is removed must still be the same. */
  identity: z.string(),
  uid: z.int().min(0),
  /** The latest change in its first two levels. */
  changed_at: at.nullable(),
  /** `none`: nothing in it says that sandkeep made it. */
  manifest: z.enum(["whole", "unreadable", "none"]),
  labels: z.record(z.string(), z.string()),
  /** Something is mounted on it, or below. */
  mounted: z.boolean(),
  /** A process works in it, has a file of it open, or has it mounted. */
  in_use: z.boolean(),
});
export type HostDirectory = z.infer<typeof hostDirectorySchema>;

const composeProjectSchema = z.strictObject({
  engine: z.string(),
  project: z.string(),
  containers: z.int(),
  running: z.int(),
  folder: z.string().nullable(),
});

/** What one look at a host showed. Bytes, and null for what it does not tell. */
export const hostSnapshotSchema = z.strictObject({
  host: z.string(),
  taken_at: at,
  /** `engine`: only its engine's API could be asked. */
  via: z.enum(["ssh", "local", "engine"]),
  target: z.string().nullable(),
  duration_ms: z.number(),
  node: z.string(),
  kernel: z.string(),
  /** Who the look was made as; 0 sees all. */
  uid: z.int(),
  uptime_s: z.number().nullable(),
  cpus: z.int().nullable(),
  /** Of the last 1, 5 and 15 minutes. */
  load: z.tuple([z.number(), z.number(), z.number()]).nullable(),
  memory: z.strictObject({ total: bytes, available: bytes, swap_total: bytes, swap_free: bytes }).nullable(),
  processes: z.int().nullable(),
  disks: z.array(diskSchema),
  engines: z.array(engineSchema),
  containers: z.array(hostContainerSchema),
  roots: z.array(
    z.strictObject({ path: z.string(), real: z.string().nullable(), status: z.enum(["present", "absent"]) }),
  ),
  directories: z.array(hostDirectorySchema),
  compose_projects: z.array(composeProjectSchema),
  /** What was left out, and why. */
  notes: z.array(z.string()),
});
export type HostSnapshot = z.infer<typeof hostSnapshotSchema>;

/** Answer of `host inspect`. */
export const hostInspectionSchema = z.strictObject({
  snapshot: hostSnapshotSchema,
  diagnostics: z.array(diagnosticSchema),
  exit_code: z.int(),
});

/** Answer of `host list`. */
export const hostListSchema = z.strictObject({
  hosts: z.array(
    z.strictObject({
      host: z.string(),
      /** How it is reached for a look at it; null where only its engine is. */
      target: z.string().nullable(),
      backends: z.array(z.string()),
      agents: z.array(z.string()),
      labels: z.record(z.string(), z.string()),
      max_runtimes: z.int().nullable(),
    }),
  ),
  exit_code: z.int(),
});
export type HostList = z.infer<typeof hostListSchema>;

const STALE_CODES = [
  "expired",
  "orphan",
  "reap-leftover",
  "other-fleet",
  "adopted",
  "manifest-unreadable",
  "no-manifest",
  "aged",
] as const;
export type StaleCode = (typeof STALE_CODES)[number];

const KEPT_CODES = [
  "link",
  "mounted",
  "odd-name",
  "in-use",
  "not-own",
  "unknown-age",
  "declared",
  "held",
  "not-proved",
] as const;
export type KeptCode = (typeof KEPT_CODES)[number];

export const staleSchema = z.strictObject({
  host: z.string(),
  kind: z.enum(["directory", "container"]),
  /** Path, or the container's name. */
  what: z.string(),
  object_id: z.string(),
  engine: z.string().nullable(),
  address: z.string().nullable(),
  fleet: z.string().nullable(),
  age_s: z.number().nullable(),
  code: z.enum(STALE_CODES),
  why: z.string(),
  /** How `host reap` removes it: with the fleet's own flow, or by itself; null when it does not. */
  reap: z.enum(["fleet", "directory", "container"]).nullable(),
  kept: z.strictObject({ code: z.enum(KEPT_CODES), why: z.string() }).nullable(),
});
export type Stale = z.infer<typeof staleSchema>;

const failure = z.strictObject({ host: z.string(), message: z.string(), hint: z.string().nullable() });

/** Answer of `host stale`. */
export const hostStaleSchema = z.strictObject({
  older_than_s: z.number(),
  hosts: z.array(z.string()),
  stale: z.array(staleSchema),
  unobserved: z.array(failure),
  exit_code: z.int(),
});
export type HostStale = z.infer<typeof hostStaleSchema>;

/** Answer of `host reap`. */
export const hostReapSchema = z.strictObject({
  dry_run: z.boolean(),
  older_than_s: z.number(),
  hosts: z.array(z.string()),
  entries: z.array(
    z.strictObject({
      ...staleSchema.shape,
      status: z.enum(["removed", "would_remove", "kept", "changed", "failed"]),
      message: z.string().nullable(),
    }),
  ),
  unobserved: z.array(failure),
  exit_code: z.int(),
});
export type HostReap = z.infer<typeof hostReapSchema>;
export type ReapEntry = HostReap["entries"][number];
