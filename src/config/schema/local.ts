import * as z from "zod";
import { about } from "./text.ts";
import { bindsSchema } from "./bind.ts";

/** `[sandbox.local]`: how a sandbox on this machine without a container is made. */
export const localSchema = z.strictObject({
  isolation: z
    .enum(["none", "bubblewrap"])
    .optional()
    .apply(about, "none is no security boundary; bubblewrap gives private mounts, processes and network."),
  home: z
    .enum(["own", "user"])
    .optional()
    .apply(about, "Whether commands see a home of their own or the user's."),
  network: z
    .enum(["none", "host"])
    .optional()
    .apply(about, "Whether commands reach the network. Takes isolation to enforce."),
  binds: bindsSchema
    .optional()
    .apply(about, 'Paths to mount under isolation: "source:target[:ro|rw]". Agents add to the defaults.'),
});
