/** Whether this machine can hold local runtimes, found out by looking only. */
import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Probe, ProbeReason } from "../../model/posture.ts";
import type { Settings } from "../../model/settings.ts";
import type { DriverDeps } from "../driver.ts";
import { findProgram } from "../../util/program.ts";
import { INSTALL_BUBBLEWRAP } from "./bubblewrap.ts";

export async function probeMachine(deps: DriverDeps): Promise<Probe> {
  const blocked = await stateDirReason(deps.stateDir);
  if (blocked !== undefined) return { status: "unavailable", reasons: [blocked] };
  const reasons = [...(await bubblewrapReasons(deps)), ...(await terminalReasons(deps))];
  return reasons.length === 0 ? { status: "ready" } : { status: "degraded", reasons };
}

/** As the probe, which looks only; a sandbox that everybody wants and nobody can have is none at all. */
export async function preflightMachine(settings: readonly Settings[], deps: DriverDeps): Promise<Probe> {
  const probe = await probeMachine(deps);
  if (probe.status !== "degraded") return probe;
  const wanted = settings.length > 0 && settings.every((each) => each.options["isolation"] === "bubblewrap");
  const missing = probe.reasons.some((each) => each.code === "bubblewrap-missing");
  return wanted && missing ? { ...probe, status: "unavailable" } : probe;
}

async function stateDirReason(stateDir: string): Promise<ProbeReason | undefined> {
  for (let at = stateDir; ; at = dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found === undefined && dirname(at) !== at) continue;
    const usable =
      found?.isDirectory() === true &&
      (await access(at, constants.W_OK | constants.X_OK).then(
        () => true,
        () => false,
      ));
    return usable
      ? undefined
      : {
          code: "state-dir-not-writable",
          message: `the state directory ${stateDir} cannot be written: ${at} is not a folder we may write to`,
          fix: "set --state-dir to a folder of your own",
        };
  }
}

async function bubblewrapReasons(deps: DriverDeps): Promise<readonly ProbeReason[]> {
  if ((await findProgram("bwrap", deps.env)) === undefined) {
    return [
      {
        code: "bubblewrap-missing",
        message: 'bwrap is not on PATH, so isolation = "bubblewrap" cannot be used',
        fix: INSTALL_BUBBLEWRAP,
      },
    ];
  }
  if (process.getuid?.() === 0) return [];
  const off = await Promise.all(
    NAMESPACE_SWITCHES.map(async (row) => ((await sysctl(row.file)) === row.value ? [row.reason] : [])),
  );
  return off.flat();
}

const NAMESPACE_SWITCHES = [
  namespaceSwitch("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
  namespaceSwitch("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
  namespaceSwitch(
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "1",
    "kernel.apparmor_restrict_unprivileged_userns=0",
  ),
];

function namespaceSwitch(file: string, value: string, setting: string) {
  return {
    file,
    value,
    reason: {
      code: "user-namespaces-off" as const,
      message: `${file} is ${value}, so bubblewrap may not be permitted to make its namespaces`,
      fix: `permit them: sysctl -w ${setting}`,
    },
  };
}

async function sysctl(file: string): Promise<string | undefined> {
  return readFile(file, "latin1").then(
    (text) => text.trim(),
    () => undefined,
  );
}

async function terminalReasons(deps: DriverDeps): Promise<readonly ProbeReason[]> {
  if ((await findProgram("script", deps.env)) !== undefined) return [];
  return [
    {
      code: "script-missing",
      message: "script is not on PATH, so commands cannot have a terminal",
      fix: "install it: apt-get install bsdutils",
    },
  ];
}
