/** What an ssh runtime is made from: the spec's values read into one typed form, and the normaliser. Pure. */
import * as z from "zod";
import { SandkeepError } from "../../errors.ts";
import type { Json, JsonObject } from "../../model/json.ts";
import type { PathFacts } from "../driver.ts";
import { sshFields } from "./fields.ts";

const DISCONNECTS = ["kill", "keep", "reattach"] as const;
const DEFAULT_ROOT = "~/.sandkeep/sandboxes";

const text = z.string().refine((value) => !value.includes("\0"));
const specSchema = z.object({
  "workspace.access": z.enum(["none", "ro", "rw"]),
  "workspace.target": text.startsWith("/"),
  "workspace.provider": z.enum(["volume", "own"]),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), text).default({}),
  "ssh.workspace_root": text.regex(/^[~/]/),
  "ssh.isolation": z.enum(["none", "bubblewrap"]),
  "ssh.network": z.enum(["none", "host"]),
  "ssh.on_disconnect": z.enum(DISCONNECTS),
  "ssh.memory": z.int().min(1).optional(),
  "ssh.cpus": z.number().positive().optional(),
  "ssh.pids": z.int().min(1).optional(),
});
export type SshSpec = z.infer<typeof specSchema>;

/** Values by field path, as a manifest holds them. What could not be carried out safely is refused, never guessed. */
export function readSshSpec(fields: Readonly<Record<string, Json>>): SshSpec {
  const read = specSchema.safeParse(fields);
  const spec = read.data;
  const path = read.error?.issues[0]?.path.join(".");
  if (spec === undefined) throw unusable(path ?? "spec");
  if (spec["ssh.isolation"] === "none") {
    // A promise that only a sandbox can keep is not broken silently.
    if (spec["workspace.access"] === "ro") throw unusable("workspace.access");
    if (spec["ssh.network"] === "none") throw unusable("ssh.network");
  }
  return spec;
}

/** Values by field path, as a fresh manifest of this spec holds them. */
export function fieldsOf(values: JsonObject): Record<string, Json> {
  const fields: Record<string, Json> = {};
  for (const { path } of sshFields) {
    const value = path
      .split(".")
      .reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : undefined), values);
    if (value !== undefined) fields[path] = value;
  }
  return fields;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unusable(path: string): SandkeepError {
  return new SandkeepError(`the runtime's ${path} is not usable`, {
    code: "SSH_SPEC",
    blame: "backend",
    hint: "`sandkeep apply` brings the manifest in line again; if it does not, `sandkeep recreate` makes it and its workspace anew",
  });
}

/** systemd takes CPU time in hundredths of a percent of a core. */
export function roundCores(cpus: number): number {
  return Math.round(cpus * 10_000) / 10_000;
}

/**
 * The frozen normal form of `[sandbox.ssh]`: every default filled. Paths are the host's, so none is looked up here. A limit
 * that is not there is none, so that a runtime without any is what it was before there were limits.
 */
export function normaliseOptions(options: JsonObject, _facts: PathFacts): JsonObject {
  const isolation = options["isolation"] === "bubblewrap" ? "bubblewrap" : "none";
  const { workspace_root: root, memory, cpus, pids } = options;
  return {
    workspace_root: typeof root === "string" ? root.replace(/(?<=.)\/+$/, "") : DEFAULT_ROOT,
    isolation,
    network: isolation === "none" || options["network"] === "host" ? "host" : "none",
    on_disconnect: DISCONNECTS.find((each) => each === options["on_disconnect"]) ?? "kill",
    ...(typeof memory === "number" ? { memory } : {}),
    ...(typeof cpus === "number" ? { cpus: roundCores(cpus) } : {}),
    ...(typeof pids === "number" ? { pids } : {}),
  };
}
