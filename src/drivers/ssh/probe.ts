/** Whether a host can hold runtimes: what this machine's files tell of the way there, and what the host itself says. */
import type { Probe, ProbeReason } from "../../model/posture.ts";
import type { Host, Settings } from "../../model/settings.ts";
import { preflightAccess, refusedBy } from "../../remote/posture.ts";
import type { DriverDeps } from "../driver.ts";
import { TRY_BUBBLEWRAP } from "./bubblewrap.ts";
import type { SshContext } from "./context.ts";

/** Connects to nothing and reads no secret. */
export async function preflightHost(
  _settings: readonly Settings[],
  host: Host | undefined,
  deps: DriverDeps,
): Promise<Probe> {
  return host?.ssh === undefined ? { status: "ready" } : preflightAccess(host.name, host.ssh, deps.env);
}

const LOOK = `
command -v bwrap >/dev/null 2>&1 && ( ${TRY_BUBBLEWRAP} ) >/dev/null 2>&1 && echo bwrap
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
    return refusedBy(thrown);
  }
}

function unavailable(reason: ProbeReason): Probe {
  return { status: "unavailable", reasons: [reason] };
}
