import * as z from "zod";
import { allowedRoots, bindsSchema } from "./bind.ts";
import { localBreakGlassSchema } from "./break-glass.ts";
import { about } from "./text.ts";

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
  allowed_roots: allowedRoots,
  break_glass: localBreakGlassSchema
    .optional()
    .apply(about, "Rules that are broken on purpose: the rule's name, and the reason why it must be."),
});
