import { describe, expect, it } from "vitest";
import type { Promised } from "../../src/model/attestation.ts";
import { checkInside } from "../../src/util/inside-checks.ts";
import { LOOK, TRY_CONNECT, TRY_WRITES } from "../../src/util/inside-look.ts";
import { capabilitiesIn } from "../../src/util/linux-capabilities.ts";

interface Scene {
  readonly files?: Readonly<Record<string, string>>;
  readonly writes?: string;
  readonly connect?: string;
  readonly exitCode?: number;
}

const CONFINED: Readonly<Record<string, string>> = {
  "/proc/self/status": [
    "Uid:\t1000\t1000\t1000\t1000",
    "Gid:\t100\t100\t100\t100",
    "CapInh:\t0000000000000000",
    "CapPrm:\t0000000000000000",
    "CapEff:\t0000000000000000",
    "CapBnd:\t0000000000000000",
    "CapAmb:\t0000000000000000",
    "NoNewPrivs:\t1",
    "Seccomp:\t2",
  ].join("\n"),
  "/proc/self/mountinfo": [
    "1 0 0:1 / / ro,relatime master:83 - overlay overlay rw,lowerdir=/a",
    "2 1 0:2 / /tmp rw,nosuid - tmpfs tmpfs rw",
    "3 1 254:0 /src /data ro,relatime - ext4 /dev/vda rw",
    "4 1 254:0 /odd /with\\040space ro - ext4 /dev/vda rw",
  ].join("\n"),
  "/proc/self/net/route": "Iface\tDestination\tGateway",
  "/proc/self/net/ipv6_route": `${"0".repeat(32)} 00 00000001 00200200       lo`,
  "/proc/self/net/dev": "Inter-|   Receive\n face |bytes\n    lo:       0       0",
  "/proc/self/limits":
    "Limit   Soft Limit   Hard Limit   Units\nMax open files            1000                 unlimited            files",
  "/sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864",
  "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "134217728",
  "/sys/fs/cgroup/pids/pids.max": "512",
  "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
  "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
  "/etc/passwd": "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh",
  "/etc/group": "users:x:100:",
};

const V2: Readonly<Record<string, string>> = {
  "/sys/fs/cgroup/memory.max": "max",
  "/sys/fs/cgroup/docker/ab/memory.max": "67108864",
  "/sys/fs/cgroup/docker/ab/memory.swap.max": "67108864",
  "/sys/fs/cgroup/docker/ab/pids.max": "512",
  "/sys/fs/cgroup/docker/ab/cpu.max": "50000 100000",
};

async function check(promise: Promised, scene: Scene = {}): Promise<unknown> {
  const scripts: string[] = [];
  const run = async (script: string) => {
    scripts.push(script);
    if (script === TRY_WRITES) return { exitCode: 0, output: scene.writes ?? "refused\n" };
    if (script === TRY_CONNECT) return { exitCode: 0, output: scene.connect ?? "" };
    const files = Object.entries(scene.files ?? CONFINED).map(([path, text]) => `@${path}\n${text}\n`);
    return { exitCode: scene.exitCode ?? 0, output: files.join("") };
  };
  const [found] = await checkInside([promise], run, () => "0f");
  expect(scripts[0]).toBe(LOOK);
  return found === undefined ? undefined : [found.status, found.found];
}

const without = (path: string, text?: string): Scene => {
  const { [path]: _, ...rest } = CONFINED;
  return { files: text === undefined ? rest : { ...rest, [path]: text } };
};
const status = (name: string, value: string): Scene =>
  without(
    "/proc/self/status",
    (CONFINED["/proc/self/status"] ?? "").replace(new RegExp(`^${name}:.*$`, "m"), `${name}:\t${value}`),
  );
const mounted = (line: string): Scene =>
  without("/proc/self/mountinfo", `${CONFINED["/proc/self/mountinfo"]}\n${line}`);

const profile = (path: string, text: string): Scene => ({ files: { ...CONFINED, [path]: text } });

const at = { path: "x", asked: true } as const;
const root: Promised = { ...at, kind: "read-only", target: "/", except: undefined };
const data: Promised = { ...at, kind: "read-only", target: "/data", except: ["/data/cache"] };
const spaced: Promised = { ...at, kind: "read-only", target: "/with space", except: [] };
const tmp: Promised = { ...at, kind: "mounted", target: "/tmp", type: "tmpfs" };
const alone: Promised = { ...at, kind: "no-network" };
const memory: Promised = { ...at, kind: "memory", most: 67_108_864 };
const odd: Promised = { ...at, kind: "memory", most: 67_108_864 + 100 };
const swap: Promised = { ...at, kind: "swap", most: 134_217_728, memory: 67_108_864 };
const pids: Promised = { ...at, kind: "pids", most: 512 };
const cpus: Promised = { ...at, kind: "cpus", most: 0.5 };
const powerless: Promised = { ...at, kind: "capabilities", most: [] };
const raw: Promised = { ...at, kind: "capabilities", most: ["NET_RAW"] };
const humble: Promised = { ...at, kind: "no-new-privileges" };
const filtered: Promised = { ...at, kind: "seccomp", filtered: true };
const profiled: Promised = { ...at, kind: "apparmor", profile: "mine" };
const node: Promised = { ...at, kind: "user", user: "node:users" };
const numbered: Promised = { ...at, kind: "user", user: "1000" };
const files: Promised = { ...at, kind: "ulimit", name: "nofile", hard: -1 };

describe("a promise that is kept", () => {
  it.each<[string, Promised, unknown, Scene?]>([
    ["a read-only root", root, "ro"],
    ["a read-only bind", data, "ro"],
    ["one whose path has a space", spaced, "ro"],
    [
      "one with a writable mount that is meant to be there",
      data,
      "ro",
      mounted("5 3 0:1 / /data/cache rw - ext4 /dev/vda rw"),
    ],
    ["memory that is mounted", tmp, "tmpfs"],
    ["no network", alone, "none"],
    [
      "no network beside a tunnel that is down",
      alone,
      "none",
      {
        files: {
          ...CONFINED,
          "/proc/self/net/dev": "a\nb\n tunl0: 0\n lo: 0",
          "/sys/class/net/tunl0/flags": "0x80",
        },
      },
    ],
    [
      "no network, where a connection fails at once",
      alone,
      "none",
      { connect: "nc: Network is unreachable" },
    ],
    ["a memory limit", memory, 67_108_864],
    ["a memory limit that the kernel rounded down", odd, 67_108_864],
    ["memory with swap", swap, 134_217_728],
    ["a limit of processes", pids, 512],
    ["a CPU limit", cpus, 0.5],
    [
      "the newer control groups' memory",
      memory,
      67_108_864,
      { files: { ...without("/sys/fs/cgroup/memory/memory.limit_in_bytes").files, ...V2 } },
    ],
    ["their swap", swap, 134_217_728, { files: { "/proc/self/status": "x", ...V2 } }],
    ["their CPU limit", cpus, 0.5, { files: { "/proc/self/status": "x", ...V2 } }],
    ["no capabilities", powerless, []],
    ["fewer capabilities than allowed", raw, []],
    ["one capability", raw, ["NET_RAW"], status("CapBnd", "0000000000002000")],
    ["no new privileges", humble, "1"],
    ["a filter of system calls", filtered, "2"],
    ["a profile", profiled, "mine (enforce)", profile("/proc/self/attr/current", "mine (enforce)")],
    [
      "a profile, where another kind of label stands beside it",
      profiled,
      "mine (enforce)",
      {
        files: {
          ...profile("/proc/self/attr/current", "system_u:system_r:container_t").files,
          "/proc/self/attr/apparmor/current": "mine (enforce)",
        },
      },
    ],
    ["a user by name", node, "1000:100"],
    ["a user by number", numbered, "1000"],
    ["a limit of files", files, { soft: 1000, hard: -1 }],
  ])("%s", async (_, promise, found, scene) => {
    expect(await check(promise, scene)).toEqual(["held", found]);
  });
});

describe("a promise that is broken", () => {
  it.each<[string, Promised, unknown, Scene]>([
    ["a writable root", root, "rw", without("/proc/self/mountinfo", "1 0 0:1 / / rw - overlay overlay rw")],
    ["a root that only the mount table calls read-only", root, "rw", { writes: "written\n" }],
    [
      "a writable mount below a read-only bind",
      data,
      "rw",
      mounted("5 3 0:1 / /data/inner rw - ext4 /dev/vda rw"),
    ],
    [
      "a bind that something writable was mounted over",
      data,
      "rw",
      mounted("5 3 0:1 / /data rw - ext4 /dev/vda rw"),
    ],
    ["memory that is not mounted", tmp, "ext4", mounted("5 1 0:1 / /tmp rw - ext4 /dev/vda rw")],
    ["an interface", alone, ["eth0"], without("/proc/self/net/dev", "a\nb\n eth0: 0\n lo: 0")],
    ["a route", alone, ["eth0"], without("/proc/self/net/route", "Iface\neth0\t00000000\t010011AC")],
    ["an IPv6 route", alone, ["eth1"], without("/proc/self/net/ipv6_route", "00 00 00 eth1")],
    [
      "a way out that no table shows",
      alone,
      "a way out",
      { connect: "nc: 203.0.113.1: Connection timed out" },
    ],
    [
      "no memory limit",
      memory,
      "unlimited",
      without("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
    ],
    [
      "another memory limit",
      memory,
      134_217_728,
      without("/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728"),
    ],
    ["a smaller one", memory, 33_554_432, without("/sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432")],
    ["any number of processes", pids, "unlimited", without("/sys/fs/cgroup/pids/pids.max", "max")],
    ["all of the CPU", cpus, "unlimited", without("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")],
    ["a capability that could be got", powerless, ["NET_RAW"], status("CapBnd", "0000000000002000")],
    ["one too many", raw, ["CHOWN", "NET_RAW"], status("CapEff", "0000000000002001")],
    ["new privileges", humble, "0", status("NoNewPrivs", "0")],
    ["no filter of system calls", filtered, "0", status("Seccomp", "0")],
    [
      "another profile",
      profiled,
      "docker-default (enforce)",
      profile("/proc/self/attr/current", "docker-default (enforce)"),
    ],
    [
      "a profile that only complains",
      profiled,
      "mine (complain)",
      profile("/proc/self/attr/apparmor/current", "mine (complain)"),
    ],
    ["no profile", profiled, "unconfined", profile("/proc/self/attr/current", "unconfined")],
    ["root", numbered, "0", status("Uid", "0\t0\t0\t0")],
    ["root behind another user", numbered, "1000", status("Uid", "1000\t0\t0\t0")],
    ["another group", node, "1000:0", status("Gid", "0\t0\t0\t0")],
    [
      "another limit of files",
      files,
      { soft: 1000, hard: 2000 },
      without("/proc/self/limits", "Max open files  1000  2000  files"),
    ],
  ])("%s", async (_, promise, found, scene) => {
    expect(await check(promise, scene)).toEqual(["broken", found]);
  });
});

describe("what cannot be looked at", () => {
  it.each<[string, Promised, Scene]>([
    ["no shell", memory, { exitCode: 127, files: {} }],
    ["no /proc", memory, { files: {} }],
    ["no control group", memory, without("/sys/fs/cgroup/memory/memory.limit_in_bytes")],
    ["no mount table", root, without("/proc/self/mountinfo")],
    ["a bind that is not there", data, { writes: "absent\n" }],
    ["no answer to a write", root, { writes: "" }],
    ["no routes", alone, without("/proc/self/net/route")],
    ["a profile where there are none", profiled, profile("/proc/self/attr/current", "")],
    ["a user whom no table knows", { ...at, kind: "user", user: "nobody" }, {}],
    ["a limit without a row", { ...at, kind: "ulimit", name: "nice", hard: 1 }, {}],
  ])("is unknown: %s", async (_, promise, scene) => {
    expect(await check(promise, scene)).toEqual(["unknown", null]);
  });

  it("is asked for only where something is promised", async () => {
    const refuse = async () => Promise.reject(new Error("ran"));
    expect(await checkInside([], refuse, () => "")).toEqual([]);
  });
});

describe("capabilities", () => {
  it.each<[string, string[]]>([
    ["0", []],
    [
      "00000000a80425fb",
      [
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SYS_CHROOT",
        "MKNOD",
        "AUDIT_WRITE",
        "SETFCAP",
      ],
    ],
    ["0000040000000000", ["CAP_42"]],
    ["nonsense", []],
  ])("%s", (mask, names) => {
    expect(capabilitiesIn(mask)).toEqual(names);
  });
});
