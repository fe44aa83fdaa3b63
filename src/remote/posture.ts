/** Whether a host can be reached, in the words of `status`: what files here tell of the way, and what came of an attempt. */
import { SandkeepError } from "../errors.ts";
import type { Probe } from "../model/posture.ts";
import type { SshAccess } from "../model/settings.ts";
import { findProgram } from "../util/program.ts";
import type { Env } from "./access.ts";
import { accessPosture } from "./access.ts";

/** Connects to nothing and reads no secret. `name` is the host's in the config. */
export async function preflightAccess(name: string, access: SshAccess, env: Env): Promise<Probe> {
  try {
    const reasons = await accessPosture(name, access, env);
    const system = reasons.some(({ code }) => code === "ssh-system-client");
    if (system && (await findProgram("ssh", env)) === undefined) return withoutClient(access.target);
    const transport = system ? "openssh" : "ssh2";
    return reasons.length === 0 ? { status: "ready", transport } : { status: "degraded", reasons, transport };
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const fix = thrown.hint ?? "check the host's ssh table";
    return {
      status: "unavailable",
      reasons: [{ code: "ssh-file-unreadable", message: thrown.message, fix }],
    };
  }
}

function withoutClient(target: string): Probe {
  const message = `ssh is not on PATH, and ${target} is reached with it`;
  const fix = "install it: apt-get install openssh-client";
  return { status: "unavailable", reasons: [{ code: "ssh-missing", message, fix }] };
}

/** Throws again what is no failure of ours. */
export function refusedBy(thrown: unknown): Probe {
  if (!(thrown instanceof SandkeepError)) throw thrown;
  const { message, hint = "check the host", kind } = thrown;
  const code = thrown.code === "SSH_HOST_KEY" ? "ssh-host-key" : kind === "denied" ? "denied" : "unreachable";
  return { status: "unavailable", reasons: [{ code, message, fix: hint }] };
}
