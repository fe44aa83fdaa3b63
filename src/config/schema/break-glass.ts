import * as z from "zod";
import { about, nonEmptyText } from "./text.ts";

const reason = (allows: string) => nonEmptyText.optional().apply(about, `Why it must be: ${allows}`);

/** `[sandbox.docker.break_glass]`: one key for each rule that it breaks. The text is the reason, which plan and explain show. */
export const breakGlassSchema = z.strictObject({
  bind_source_system: reason("binds of system paths such as /etc or /run."),
  bind_source_credentials: reason("binds of folders that hold credentials, such as ~/.ssh."),
  bind_source_engine_socket: reason("a bind of an engine's socket, which is root on its machine."),
  bind_target_reserved: reason("binds onto paths that belong to the runtime, such as /etc."),
  network_host: reason('network = "host".'),
  network_container: reason("joining another container's network namespace."),
  seccomp_unconfined: reason("running without a system call filter."),
  apparmor_unconfined: reason("running without an AppArmor profile."),
});

/** `[sandbox.local.break_glass]`: those that a sandbox without a container could need. */
export const localBreakGlassSchema = breakGlassSchema.pick({
  bind_source_system: true,
  bind_source_credentials: true,
  bind_source_engine_socket: true,
  bind_target_reserved: true,
});

export type BreakGlassKey = keyof z.infer<typeof breakGlassSchema>;

export const BREAK_GLASS_KEYS = breakGlassSchema.keyof().options;
