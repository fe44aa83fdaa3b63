import type { Fault } from "./document.ts";
import { quote } from "./document.ts";

interface Refusal {
  readonly keys: readonly string[];
  readonly why: string;
  readonly hint: string;
}

/** Keys that people know from other tools and look for under `[sandbox.docker]`, and that are left out on purpose. */
const REFUSED: readonly Refusal[] = [
  {
    keys: ["privileged"],
    why: "a privileged container is root on its machine",
    hint: "remove it; name what is really needed, such as gpus or a bind",
  },
  {
    keys: ["devices", "device", "device_cgroup_rules", "device_requests"],
    why: "a device of the machine is a way around everything that contains a sandbox",
    hint: "remove it; for GPUs use gpus",
  },
  {
    keys: ["cap_add", "capabilities"],
    why: "capabilities are only taken away",
    hint: "name in cap_drop the ones to take; without ALL the engine's default ones stay",
  },
  {
    keys: [
      "pid",
      "pid_mode",
      "ipc",
      "ipc_mode",
      "uts",
      "userns",
      "userns_mode",
      "cgroup_parent",
      "volumes_from",
    ],
    why: "a sandbox has namespaces and files of its own",
    hint: "remove it",
  },
  {
    keys: ["security_opt", "sysctls"],
    why: "they can turn off what contains a sandbox",
    hint: "use seccomp, apparmor and no_new_privileges",
  },
  {
    keys: ["volumes", "mounts"],
    why: "a named volume outlives what it was made for, and nobody sees what is in it",
    hint: 'use binds = ["./folder:/target"]',
  },
];

export function refusedKey(key: string): Fault | undefined {
  const wanted = key.toLowerCase().replaceAll("-", "_");
  const row = REFUSED.find(({ keys }) => keys.includes(wanted));
  if (row === undefined) return undefined;
  return { code: "refused-key", message: `${quote(key)} is refused: ${row.why}`, hint: row.hint };
}
