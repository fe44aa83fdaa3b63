import * as z from "zod";
import { SandkeepError } from "../../errors.ts";
import type { Json, JsonObject } from "../../model/json.ts";
import type { EngineName } from "./endpoint.ts";

const bind = z.object({ source: z.string(), target: z.string(), mode: z.enum(["ro", "rw"]) });
const ulimit = z.union([z.number(), z.object({ soft: z.number(), hard: z.number() })]);

/** `[sandbox.docker]` or `[sandbox.podman]` as the driver reads it, from settings and back from a spec: the same keys, the same units. */
const sectionSchema = z.object({
  image: z.string().optional(),
  image_policy: z.enum(["missing", "pin", "track", "never"]).default("missing"),
  command: z.array(z.string()).optional(),
  user: z.string().optional(),
  workdir: z.string().optional(),
  binds: z.array(bind).default([]),
  network: z.string().default("none"),
  egress: z.literal("gate").optional(),
  memory: z.number().optional(),
  memory_swap: z.union([z.number(), z.literal("unlimited")]).optional(),
  cpus: z.number().optional(),
  pids: z.union([z.number(), z.literal("unlimited")]).default(512),
  ulimits: z.record(z.string(), ulimit).default({}),
  tmpfs: z.array(z.string()).default([]),
  read_only_root: z.boolean().default(true),
  cap_drop: z.array(z.string()).default([]),
  seccomp: z.string().optional(),
  apparmor: z.string().optional(),
  dns: z.array(z.string()).default([]),
  extra_hosts: z.array(z.string()).default([]),
  gpus: z.string().optional(),
  init: z.boolean().default(true),
  no_new_privileges: z.boolean().default(true),
  restart: z.string().default("no"),
  labels: z.record(z.string(), z.string()).default({}),
  stop_timeout: z.union([z.number(), z.literal("off")]).optional(),
  allowed_roots: z.array(z.string()).default([]),
  /** Names of the secrets that the command begins with. */
  command_secrets: z.array(z.string()).default([]),
});
export type Section = z.infer<typeof sectionSchema>;

/** Throws a tool error for a shape that config and resolve could not have let through. */
export function readSection(value: Json | undefined): Section {
  const parsed = sectionSchema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  throw new SandkeepError(`the docker section of a spec is malformed: ${z.prettifyError(parsed.error)}`, {
    code: "INTERNAL",
    blame: "tool",
  });
}

const workspaceSchema = z.object({
  source: z.string().optional(),
  access: z.enum(["none", "ro", "rw"]),
  target: z.string(),
  provider: z.enum(["bind", "link", "volume", "own"]),
});

const valuesSchema = z.object({
  docker: sectionSchema,
  workspace: workspaceSchema,
  /** The workspace is the runtime's stage, and `workspace.source` what that was made from. */
  writes: z.literal("staged").optional(),
  env: z.record(z.string(), z.string()).default({}),
  ready: z.object({ command: z.array(z.string()) }).optional(),
});

/** A spec's values as this driver needs them; `docker` is the engine's own section, whatever its name. */
export type DockerSpec = z.infer<typeof valuesSchema>;

/** Undefined for values that another tool or version wrote: labels are not trusted to be well-formed. */
export function tryReadValues(values: JsonObject, engine: EngineName = "docker"): DockerSpec | undefined {
  const known = read[engine].get(values);
  if (known !== undefined) return known;
  const parsed = valuesSchema.safeParse({ ...values, docker: values[engine] });
  if (parsed.success) read[engine].set(values, parsed.data);
  return parsed.data;
}

/** Runtimes with one spec share its values, which are never changed. */
const read: Readonly<Record<EngineName, WeakMap<JsonObject, DockerSpec>>> = {
  docker: new WeakMap(),
  podman: new WeakMap(),
};

export function readValues(values: JsonObject, engine: EngineName = "docker"): DockerSpec {
  const found = tryReadValues(values, engine);
  if (found !== undefined) return found;
  throw new SandkeepError(`a ${engine} spec is malformed`, { code: "INTERNAL", blame: "tool" });
}

const SECTION = "docker.";

/** A path of the docker section as the engine's own section has it: shared code names `docker.memory`. */
export function inSection(path: string, engine: EngineName): string {
  return path.startsWith(SECTION) ? `${engine}.${path.slice(SECTION.length)}` : path;
}
