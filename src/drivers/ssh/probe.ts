/** Whether a host can hold runtimes: what this machine's files tell of the way there, and what the host itself says. */
import { SandkeepError } from "../../errors.ts";
import type { Probe, ProbeReason } from "../../model/posture.ts";
import type { Host, Settings } from "../../model/settings.ts";
import { accessPosture } from "../../remote/access.ts";
import type { DriverDeps } from "../driver.ts";
import type { SshContext } from "./context.ts";

/** Connects to nothing and reads no secret. */
export async function preflightHost(
  _settings: readonly Settings[],
  host: Host | undefined,
  deps: DriverDeps,
): Promise<Probe> {
  if (host?.ssh === undefined) return { status: "ready" };
  try {
    const reasons = await accessPosture(host.name, host.ssh, deps.env);
    return reasons.length === 0 ? { status: "ready" } : { status: "degraded", reasons };
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const fix = thrown.hint ?? "check the host's ssh table";
    return {
      status: "unavailable",
      reasons: [{ code: "ssh-file-unreadable", message: thrown.message, fix }],
    };
  }
}

const LOOK = `
command -v bwrap >/dev/null 2>&1 && bwrap --unshare-user-try --unshare-pid --ro-bind / / true >/dev/null 2>&1 && echo bwrap
[ -w "$HOME" ] && echo home
exit 0
`;

export async function probeHost({ connection, host }: SshContext): Promise<Probe> {
  try {
    const { stdout } = await connection.script({ script: LOOK, args: [], reads: true });
    const said = stdout.toString().split("\n");
    if (!said.includes("home")) {
      const message = `the home folder of ${connection.label} cannot be written, and sandkeep keeps its records there`;
      return unavailable({ code: "ssh-workspace-root", message, fix: "give the account a home of its own" });
    }
    if (said.includes("bwrap")) return { status: "ready" };
    return {
      status: "degraded",
      reasons: [
        {
          code: "bubblewrap-missing",
          message: `bubblewrap is missing or does not work on ${host.name}, so isolation = "bubblewrap" cannot be used there`,
          fix: "install it there: apt-get install bubblewrap",
        },
      ],
    };
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const { message, hint = "check the host", kind } = thrown;
    const code =
      thrown.code === "SSH_HOST_KEY" ? "ssh-host-key" : kind === "denied" ? "denied" : "unreachable";
    return unavailable({ code, message, fix: hint });
  }
}

function unavailable(reason: ProbeReason): Probe {
  return { status: "unavailable", reasons: [reason] };
}
