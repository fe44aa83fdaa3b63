import * as z from "zod";
import type { ProcessIdentity } from "../util/process-identity.ts";

/** How a process stands in a file that it wrote. */
export const processIdentitySchema = z.object({
  pid: z.int().positive(),
  start_time: z.string(),
  boot_id: z.string(),
  pid_namespace: z.string(),
  host: z.string(),
}) satisfies z.ZodType<ProcessIdentity>;
