import type { Probe, ProbeReason } from "../../model/posture.ts";
import type { Settings } from "../../model/settings.ts";
import { refusedBy } from "../../remote/posture.ts";
import type { Engine } from "./client.ts";
import type { DegradedRow } from "./dialect.ts";
import { dockerError } from "./errors.ts";
import type { EngineFacts } from "./facts.ts";
import { hasAppArmor } from "./limits.ts";
import { inSection } from "./section.ts";
import type { Info } from "./wire.ts";

const mentions = (info: Info, word: string): boolean =>
  info.SecurityOptions.some((option) => option.includes(word));

/** What makes an engine less than it seems. Each limit an engine cannot set is one it would ignore in silence. */
const DEGRADED: readonly DegradedRow[] = [
  {
    code: "rootless-limits-ignored",
    test: ({ Rootless, CgroupVersion }) => Rootless && CgroupVersion !== "2",
    message: "a rootless engine on cgroup v1 ignores every resource limit",
    fix: "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1) or use a rootful engine",
  },
  {
    code: "memory-limit-unsupported",
    test: (info) => !info.MemoryLimit,
    message: "the engine cannot limit memory",
    fix: "enable the memory cgroup (cgroup_enable=memory)",
  },
  {
    code: "cpu-limit-unsupported",
    test: (info) => !info.CpuCfsQuota,
    message: "the engine cannot limit CPU time",
    fix: "enable CONFIG_CFS_BANDWIDTH in the kernel, or delegate the cpu controller",
  },
  {
    code: "pids-limit-unsupported",
    test: (info) => !info.PidsLimit,
    message: "the engine cannot limit the number of processes",
    fix: "enable the pids cgroup, or delegate the pids controller",
  },
  {
    code: "swap-limit-unsupported",
    test: (info) => !info.SwapLimit && info.MemoryLimit,
    message: "the engine cannot limit swap, so docker.memory_swap has no effect",
    fix: "boot with swapaccount=1",
  },
  {
    code: "seccomp-off",
    test: (info) => !mentions(info, "name=seccomp"),
    message: "the engine filters no system calls",
    fix: "use an engine and a kernel with seccomp",
  },
  {
    code: "selinux-labels",
    test: (info) => mentions(info, "name=selinux"),
    message: "SELinux is on, and bound folders are not relabelled: containers may be denied access to them",
    fix: "label them once: chcon -Rt container_file_t <folder>",
  },
];

/** One question to the engine; starts nothing. */
export async function probe(engine: Engine, facts: EngineFacts): Promise<Probe> {
  let info: Info;
  try {
    // The ping must be new, whatever is remembered of the engine.
    await engine.send({ what: "reach the engine", method: "GET", path: "/_ping", timeout: 10_000 });
    info = await facts.info();
  } catch (thrown) {
    return refusedBy(dockerError(thrown, "reach the engine", engine.dialect.name));
  }
  if (info.OSType !== "linux") {
    return {
      status: "unavailable",
      reasons: [
        {
          code: "not-linux",
          message: `the engine runs ${info.OSType} containers`,
          fix: "switch it to Linux containers",
        },
      ],
    };
  }
  const reasons = [...DEGRADED, ...engine.dialect.degraded]
    .filter(({ test }) => test(info))
    .map(({ code, message, fix }) => ({ code, message, fix }));
  return reasons.length === 0 ? { status: "ready" } : { status: "degraded", reasons };
}

/**
 * For each of these settings, what it asks for that most engines' machines do without, so that `probe` says nothing of it.
 * The engine is asked only where it matters.
 */
export async function lacks(
  engine: Engine,
  facts: EngineFacts,
  all: readonly Settings[],
): Promise<readonly (readonly ProbeReason[])[]> {
  const profiles = all.map(({ options: { apparmor } }) =>
    typeof apparmor === "string" && apparmor !== "unconfined" ? apparmor : undefined,
  );
  if (profiles.every((each) => each === undefined) || hasAppArmor(await facts.info()))
    return all.map(() => []);
  const path = inSection("docker.apparmor", engine.dialect.name);
  return profiles.map((profile) => (profile === undefined ? [] : [withoutAppArmor(path, profile)]));
}

function withoutAppArmor(path: string, profile: string): ProbeReason {
  return {
    code: "apparmor-off",
    message: `${path} asks for the profile "${profile}", and the engine's machine has no AppArmor to apply it`,
    fix: `take ${path} out, or use an engine whose machine has AppArmor`,
  };
}
