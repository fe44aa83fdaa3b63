import * as z from "zod";
import { about, textOf } from "./text.ts";
import { coresSchema, processesSchema, sizeSchema } from "./units.ts";

/** `[sandbox.ssh]`: how a sandbox on a host without a container is made. */
export const sshSchema = z.strictObject({
  workspace_root: textOf(
    /^~?(?:\/(?!\.{1,2}(?:\/|$))[^/\p{Cc}]+)+$/u,
    'an absolute path on the host, or one that starts with "~/"',
  )
    .optional()
    .apply(about, 'Folder on the host that sandboxes are kept in, such as "~/sandboxes".'),
  isolation: z
    .enum(["none", "bubblewrap"])
    .optional()
    .apply(about, "none is no security boundary; bubblewrap gives private mounts, processes and network."),
  network: z
    .enum(["none", "host"])
    .optional()
    .apply(about, "Whether commands reach the network. Takes isolation to enforce."),
  memory: sizeSchema
    .optional()
    .apply(
      about,
      "Memory that all of a sandbox's commands have together, such as \"2GiB\". Limits take systemd's user manager and cgroup v2 on the host.",
    ),
  cpus: coresSchema
    .optional()
    .apply(about, "CPU time that all of a sandbox's commands have together, in cores, such as 1.5."),
  pids: processesSchema
    .optional()
    .apply(about, 'Most processes of all of a sandbox\'s commands at once, or "unlimited".'),
  on_disconnect: z
    .enum(["kill", "keep", "reattach"])
    .optional()
    .apply(
      about,
      "What becomes of a command whose connection is lost: kill ends it, keep leaves it, both with an unknown outcome; reattach takes it up again within four minutes, or ends it.",
    ),
});
