import { isIP } from "node:net";
import * as z from "zod";
import { allowedRoots, bindsSchema } from "./bind.ts";
import { breakGlassSchema } from "./break-glass.ts";
import { about, commandSchema, nonEmptyText, sandboxPath, textOf, word } from "./text.ts";
import { coresSchema, durationSchema, processesSchema, sizeOrUnlimitedSchema, sizeSchema } from "./units.ts";

const ulimitValue = z.int().min(-1, { error: "expected a number, or -1 for no limit" });

const ulimitSchema = z.union(
  [
    ulimitValue,
    z.strictObject({
      soft: ulimitValue.describe("Limit a process starts with."),
      hard: ulimitValue.describe("Limit a process may raise itself to."),
    }),
  ],
  { error: "expected a number, or { soft = N, hard = N }" },
);

const labelName = textOf(
  /^(?!sandkeep\.)[^\s\p{Cc}\p{Cf}=]+$/u,
  'a label name without spaces or "=" that does not start with "sandkeep.", which is reserved',
);

const extraHost = z.string().refine(
  (text) => {
    const colon = text.indexOf(":");
    const address = text.slice(colon + 1).replace(/^\[(.*)\]$/, "$1");
    const named = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/.test(text.slice(0, colon));
    return named && (isIP(address) !== 0 || address === "host-gateway");
  },
  { error: 'expected "name:ip", such as "db:10.0.0.5"' },
);

const TMPFS = /^(?:\/(?!\.{1,2}(?:[/:]|$))[^/:\p{Cc}]+)+\/?(?::[^:\s\p{Cc}]+)?$/u;

const ipAddress = z.string().refine((text) => isIP(text) !== 0, {
  error: "expected an IP address",
});

/** `[sandbox.docker]`: how a container is made. Every key shapes the container. */
export const dockerSchema = z.strictObject({
  image: word("an image name")
    .optional()
    .apply(about, 'Image to run, such as "debian:12-slim". Required by this backend.'),
  image_policy: z
    .enum(["missing", "pin", "track", "never"])
    .optional()
    .apply(
      about,
      "When to fetch the image: missing (only when the engine lacks it), pin (by sandkeep.lock), track (follow the registry), never.",
    ),
  command: commandSchema
    .optional()
    .apply(about, "Main program of the container. Without it sandkeep keeps the container alive."),
  user: textOf(/^[^\s\p{Cc}:]+(?::[^\s\p{Cc}:]+)?$/u, '"user", "uid", or either with ":group"')
    .optional()
    .apply(about, 'User the container runs as, such as "1000:1000".'),
  workdir: sandboxPath.optional().apply(about, "Working directory of commands."),
  binds: bindsSchema
    .optional()
    .apply(
      about,
      'Paths of the engine\'s machine to mount: "source:target[:ro|rw]". Agents add to the defaults.',
    ),
  network: word("a network name")
    .optional()
    .apply(
      about,
      'Network to join: "none", "bridge", a network of [networks], or the name of one that exists.',
    ),
  memory: sizeSchema.optional().apply(about, 'Memory limit, such as "2GiB".'),
  memory_swap: sizeOrUnlimitedSchema
    .optional()
    .apply(about, 'Memory and swap together, such as "4GiB", or "unlimited".'),
  cpus: coresSchema.optional().apply(about, "CPU limit in cores, such as 1.5."),
  pids: processesSchema.optional().apply(about, 'Most processes at once, or "unlimited".'),
  ulimits: z
    .record(textOf(/^[a-z]+$/, "a limit's name in small letters, such as nofile"), ulimitSchema)
    .optional()
    .apply(
      about,
      "Resource limits by name, such as { nofile = 4096 } or { nofile = { soft = 1024, hard = 4096 } }.",
    ),
  tmpfs: z
    .array(textOf(TMPFS, '"/path" or "/path:options", without "..",'))
    .optional()
    .apply(about, 'Memory-backed folders, such as "/tmp:size=64m".'),
  read_only_root: z.boolean().optional().apply(about, "Whether the image's own files are read-only."),
  cap_drop: z
    .array(textOf(/^[A-Z][A-Z_]*$/, 'a capability in capitals, such as "NET_RAW", or "ALL"'))
    .optional()
    .apply(about, 'Linux capabilities to take away; "ALL" takes all.'),
  seccomp: nonEmptyText
    .optional()
    .apply(about, 'System call filter: "default", "unconfined", or a profile file.'),
  apparmor: nonEmptyText.optional().apply(about, "AppArmor profile of the engine's machine."),
  dns: z.array(ipAddress).optional().apply(about, "Name servers."),
  extra_hosts: z.array(extraHost).optional().apply(about, 'Lines of /etc/hosts: "name:ip".'),
  gpus: textOf(
    /^(?:all|[1-9]\d{0,3}|device=[\w.:-]+(?:,[\w.:-]+)*)$/,
    '"all", a count such as "1", or "device=0,1"',
  )
    .optional()
    .apply(about, 'GPUs to give: "all", a count such as "1", or "device=0,1".'),
  init: z.boolean().optional().apply(about, "Whether a small init reaps processes and forwards signals."),
  no_new_privileges: z.boolean().optional().apply(about, "Whether programs may gain no privileges."),
  restart: z
    .enum(["no", "on-failure", "unless-stopped", "always"])
    .optional()
    .apply(about, "When the engine restarts the container by itself."),
  labels: z
    .record(labelName, z.string())
    .optional()
    .apply(about, 'Labels of your own; names must not start with "sandkeep.".'),
  stop_timeout: durationSchema
    .optional()
    .apply(about, 'How long a stop may take before the container is killed, such as "10s".'),
  allowed_roots: allowedRoots,
  forbid_root: z
    .boolean()
    .optional()
    .apply(about, "Whether user must be a number other than 0; a name could be root's in some image."),
  break_glass: breakGlassSchema
    .optional()
    .apply(about, "Rules that are broken on purpose: the rule's name, and the reason why it must be."),
});
