import type { Json } from "../../model/json.ts";
import { sorted } from "./spec.ts";
import type { HostConfig } from "./wire-container.ts";

/** Namespaces that a container has to itself unless somebody gave it another's. */
const SHARED = /^(?:host$|container:)/;
const OURS = /^(?:no-new-privileges|seccomp|apparmor)(?:$|[=:])/;

/** What every engine hides, or lets nobody write, in any container: the lists of newer ones are longer. */
const MASKED = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"];
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** What no key of ours gives: another's namespaces, devices, capabilities, ports. One text; null when there is none. */
export function foreignPrivileges(config: HostConfig): Json {
  const found = Object.entries({
    privileged: config.Privileged ? ["true"] : [],
    cap_add: config.CapAdd,
    devices: config.Devices.map(({ PathOnHost }) => PathOnHost),
    device_rules: config.DeviceCgroupRules,
    pid: shared(config.PidMode),
    ipc: shared(config.IpcMode),
    uts: shared(config.UTSMode),
    userns: shared(config.UsernsMode),
    groups: config.GroupAdd,
    volumes_from: config.VolumesFrom,
    sysctls: Object.entries(config.Sysctls).map(([name, value]) => `${name}:${value}`),
    unmasked: missing(MASKED, config.MaskedPaths),
    writable: missing(READ_ONLY, config.ReadonlyPaths),
    ports: config.PublishAllPorts ? ["all"] : config.PortBindings,
    security_opt: config.SecurityOpt.filter((option) => !OURS.test(option)),
  }).filter(([, values]) => values.length > 0);
  return found.length === 0
    ? null
    : found.map(([name, values]) => `${name}=${sorted(values).join(",")}`).join(" ");
}

function missing(usual: readonly string[], found: readonly string[] | undefined): readonly string[] {
  return found === undefined ? [] : usual.filter((path) => !found.includes(path));
}

function shared(mode: string): readonly string[] {
  return SHARED.test(mode) ? [mode] : [];
}
