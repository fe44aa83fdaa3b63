import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import { dockerError } from "../../../src/drivers/docker/errors.ts";
import { podman } from "../../../src/drivers/docker/podman-dialect.ts";
import { asDocker, tmpfsSent } from "../../../src/drivers/docker/podman-inspect.ts";
import { podmanDriver } from "../../../src/drivers/docker/podman.ts";
import { unsupportedLimits } from "../../../src/drivers/docker/limits.ts";
import { inSection, readValues } from "../../../src/drivers/docker/section.ts";
import type { DockerSpec } from "../../../src/drivers/docker/section.ts";
import { readContainer } from "../../../src/drivers/docker/wire-container.ts";
import { readInfo } from "../../../src/drivers/docker/wire.ts";
import type { Container } from "../../../src/drivers/docker/wire-container.ts";
import type { Json, JsonObject } from "../../../src/model/json.ts";
import type { Host, Settings } from "../../../src/model/settings.ts";
import { settingsOf } from "../../support/runtimes.ts";

function spec(section: JsonObject = {}, more: JsonObject = {}): DockerSpec {
  const workspace = { access: "none", provider: "own", target: "/workspace" };
  return readValues({ workspace, env: {}, podman: { image: "a", ...section }, ...more }, "podman");
}

/** What Podman 4.3 showed of a container, cut down to what differs. */
function shown(host: JsonObject = {}, config: JsonObject = {}): Container {
  return readContainer({
    Id: "1",
    Name: "/a",
    State: {},
    Config: config,
    HostConfig: host,
    NetworkSettings: { Networks: {} },
  });
}

const EVERY =
  "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT";

describe("what podman shows, as docker would", () => {
  it("has only the variables that somebody asked for", () => {
    const own = [
      "TERM=xterm",
      "container=podman",
      "HOSTNAME=abc",
      "HOME=/root",
      "HTTPS_PROXY=http://p",
      "PATH=/mine",
      "EXTRA=1",
    ];
    const { Config } = asDocker(
      shown({}, { Env: [...own, "LANG=C.UTF-8"] }),
      spec({}, { env: { LANG: "C.UTF-8" } }),
    );
    expect(Config.Env).toEqual(["PATH=/mine", "EXTRA=1", "LANG=C.UTF-8"]);
    const asked = asDocker(shown({}, { Env: own }), spec({}, { env: { HOME: "/x", TERM: "xterm" } }));
    expect(asked.Config.Env).toEqual(["TERM=xterm", "HOME=/root", "PATH=/mine", "EXTRA=1"]);
  });

  it.each<[string, readonly string[], string, readonly string[], readonly string[]]>([
    ["all that it compares with stands for all", ["ALL"], EVERY, [], ["ALL"]],
    [
      "one that is kept is seen",
      ["ALL"],
      EVERY.replace("CHOWN ", ""),
      [],
      EVERY.replace("CHOWN ", "").split(" "),
    ],
    ["one that was added is seen", ["ALL"], EVERY, ["CAP_SYS_ADMIN"], EVERY.split(" ")],
    [
      "the engine's own defaults are not the container's",
      ["NET_RAW"],
      "NET_RAW MKNOD",
      ["SYS_PTRACE"],
      ["NET_RAW"],
    ],
    ["with its prefix it is the same one", ["CAP_NET_RAW"], "CAP_NET_RAW", [], ["CAP_NET_RAW"]],
    ["with its prefix it is seen when it is kept", ["CAP_NET_RAW"], "", [], []],
    ["what it never gives counts as taken away", ["SYS_ADMIN"], "", [], ["SYS_ADMIN"]],
    ["what is not taken away is seen", ["SYS_ADMIN", "CHOWN"], "", ["SYS_ADMIN"], []],
  ])("capabilities: %s", (_, asked, dropped, added, expected) => {
    const found = asDocker(
      shown({ CapDrop: dropped.split(" ").filter(Boolean), CapAdd: [...added] }),
      spec({ cap_drop: [...asked] }),
    );
    expect(found.HostConfig.CapDrop).toEqual(expected);
  });

  it("CPU is the number asked for as long as the quota is that number's", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10_000, max: 64_000_000 }), (micro) => {
        const cpus = micro / 1e6;
        const host = { CpuQuota: Math.trunc(cpus * 100_000), CpuPeriod: 100_000, NanoCpus: 1 };
        const { HostConfig } = asDocker(shown(host), spec({ cpus }));
        expect(HostConfig).toMatchObject({ NanoCpus: Math.round(cpus * 1e9), CpuQuota: 0 });
        const changed = asDocker(shown({ ...host, CpuQuota: host.CpuQuota + 1000 }), spec({ cpus }));
        expect(changed.HostConfig.NanoCpus).not.toBe(Math.round(cpus * 1e9));
      }),
    );
  });

  it.each([
    ["none", [], "none", ["none"]],
    ["host", [], "host", ["host"]],
    ["bridge", ["podman"], "bridge", ["bridge"]],
    ["bridge", ["podman"], "podman", ["podman"]],
    ["bridge", [], "bridge", []],
    ["bridge", ["other", "podman"], "bridge", ["other", "bridge"]],
  ] as const)("network %s on %j, asked %s, is %j", (mode, names, network, expected) => {
    const container = {
      ...shown({ NetworkMode: mode }),
      NetworkSettings: names.map((name) => ({ name, id: "" })),
    };
    const read = asDocker(container, spec({ network })).NetworkSettings;
    expect(read.map(({ name }) => name)).toEqual(expected);
  });

  it("a memory folder is what was asked for, whatever podman adds", () => {
    const word = fc.constantFrom<string[]>(
      "exec",
      "noexec",
      "suid",
      "nosuid",
      "dev",
      "nodev",
      "ro",
      "rw",
      "size=1m",
      "mode=1777",
    );
    fc.assert(
      fc.property(fc.uniqueArray(word), (words) => {
        const text = words.toSorted().join(",");
        const written = text === "" ? "/data" : `/data:${text}`;
        const defaults = [
          ["ro", "rw"],
          ["suid", "nosuid"],
          ["dev", "nodev"],
        ].flatMap((pair) => (pair.some((each) => words.includes(each)) ? [] : [pair[1] ?? ""]));
        const sent = tmpfsSent(text)
          .split(",")
          .filter((each) => each !== "" && each !== "notmpcopyup");
        const Tmpfs = { "/data": [...sent, ...defaults, "rprivate"].join(",") };
        expect(asDocker(shown({ Tmpfs }), spec({ tmpfs: [written] })).HostConfig.Tmpfs).toEqual({
          "/data": text,
        });
        const copied = { "/data": `${Tmpfs["/data"]},tmpcopyup` };
        expect(asDocker(shown({ Tmpfs: copied }), spec({ tmpfs: [written] })).HostConfig.Tmpfs).toEqual(
          copied,
        );
      }),
    );
    expect(tmpfsSent("").split(",").toSorted()).toEqual(["noexec", "notmpcopyup"]);
  });

  it("the folders it adds to a read-only root are its own, others are not", () => {
    const options = "rw,rprivate,nosuid,nodev,tmpcopyup";
    const Tmpfs = { "/run": options, "/tmp": options, "/data": options };
    expect(asDocker(shown({ Tmpfs, ReadonlyRootfs: true }), spec()).HostConfig.Tmpfs).toEqual({
      "/data": options,
    });
    expect(asDocker(shown({ Tmpfs }), spec()).HostConfig.Tmpfs).toEqual(Tmpfs);
  });

  it("limits go by their own names", () => {
    const Ulimits = [{ Name: "RLIMIT_NOFILE", Soft: 1, Hard: 2 }];
    expect(asDocker(shown({ Ulimits }), spec()).HostConfig.Ulimits).toEqual([
      { Name: "nofile", Soft: 1, Hard: 2 },
    ]);
  });
});

describe("what podman is sent", () => {
  const body = (user?: string): JsonObject => ({
    ...(user === undefined ? {} : { User: user }),
    HostConfig: { Tmpfs: { "/tmp": "" }, Init: true },
  });
  const info = (...options: string[]) => readInfo({ SecurityOptions: options });
  const bound = spec(
    {},
    { workspace: { access: "rw", provider: "bind", target: "/workspace", source: "/repo" } },
  );
  const sent = (user: string | undefined, at: DockerSpec, ...options: string[]): Json | undefined =>
    podman.write?.(body(user), { spec: at, info: info(...options) })["HostConfig"];
  const plain = { Tmpfs: { "/tmp": "noexec,notmpcopyup" }, Init: true };

  /** What a Podman 4.3.1 of an ordinary user said of itself, cut down to what is read. */
  const ordinary = {
    ID: "37cc54a3-36d7-40cd-840c-b0fe157631bd",
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsQuota: true,
    PidsLimit: true,
    SystemTime: "2026-11-21T08:05:05.684281477Z",
    OSType: "linux",
    DockerRootDir: "/home/me/.local/share/containers/storage",
    Name: "vm",
    SecurityOptions: ["name=seccomp,profile=default"],
    CgroupVersion: "1",
    Rootless: true,
  };

  it("knows a rootless engine though its security options do not say so, and that it limits nothing", () => {
    const limits = ["podman.memory", "podman.memory_swap", "podman.pids", "podman.cpus"];
    const told = (answer: object): readonly string[] =>
      Object.keys(unsupportedLimits(readInfo(answer))).map((path) => inSection(path, "podman"));
    // Its machine has no AppArmor, whoever asks.
    const profile = "podman.apparmor";
    expect(told(ordinary).toSorted()).toEqual([...limits, profile].toSorted());
    expect(told({ ...ordinary, CgroupVersion: "2" })).toEqual([profile]);
    expect(told({ ...ordinary, Rootless: false })).toEqual([profile]);
    const kept = podman.write?.({ User: "1000:1000" }, { spec: bound, info: readInfo(ordinary) });
    expect(kept?.["HostConfig"]).toMatchObject({ UsernsMode: "keep-id" });
    const reasons = podman.degraded.filter(({ test }) => test(readInfo(ordinary)));
    expect(reasons.map(({ code }) => code)).toEqual(["rootless-user-mapping", "rootless-ulimits-ignored"]);
  });

  it("keeps the ids of a bound workspace where the engine would map them, and only there", () => {
    const rootless = "name=rootless";
    expect(sent("1000:1000", bound, rootless)).toEqual({ ...plain, UsernsMode: "keep-id" });
    expect(sent("1000:1000", bound, "name=seccomp,profile=default")).toEqual(plain);
    expect(sent("1000:1000", spec(), rootless)).toEqual(plain);
    for (const user of [undefined, "0", "root", "0:0", "root:root"]) {
      expect(sent(user, bound, rootless), user).toEqual(plain);
    }
  });
});

describe("the podman driver", () => {
  const settings = (options: JsonObject): Settings =>
    settingsOf({ backend: "podman", options: { image: "a", ...options } });
  const codes = (options: JsonObject, host?: Host) =>
    podmanDriver.require(settings(options), host).map(({ code, path }) => `${code} ${path}`);

  it("changes nothing in place, and hashes what it cannot change", () => {
    const values = [undefined, null, 1, 2, "a", "unlimited"];
    for (const { path, classify } of podmanDriver.fields) {
      for (const before of values)
        for (const after of values) expect(classify(before, after), path).not.toBe("live");
    }
    for (const key of ["memory", "memory_swap", "cpus", "pids", "restart"]) {
      expect(podmanDriver.fields.find(({ path }) => path === `podman.${key}`)).toMatchObject({
        hashed: true,
      });
    }
    expect(podmanDriver.fields.map(({ path }) => path)).toEqual(
      dockerDriver.fields.map(({ path }) => path.replace(/^docker\./, "podman.")),
    );
  });

  it.each<[JsonObject, string]>([
    [{ gpus: "all" }, "gpus-unsupported podman.gpus"],
    [{ memory: 1e9, memory_swap: "unlimited" }, "swap-unlimited-unsupported podman.memory_swap"],
    [{ seccomp: "profile.json" }, "seccomp-profile-unsupported podman.seccomp"],
    [{ memory: 1 }, "memory-too-small podman.memory"],
  ])("refuses %j", (options, expected) => {
    expect(codes(options)).toEqual([expected]);
  });

  it("takes what it can do, here and elsewhere", () => {
    expect(codes({ seccomp: "unconfined", memory: 1e9, memory_swap: 2e9 })).toEqual([]);
    const far: Host = { name: "far", podman: "ssh://me@far/run/user/1000/podman/podman.sock", labels: {} };
    expect(codes({}, far)).toEqual([]);
    expect(codes({}, { name: "d", docker: "unix:///d.sock", labels: {} })).toEqual([
      "host-without-docker host",
    ]);
  });

  it("gives hints in its own words", () => {
    const away = Object.assign(new Error("connect ENOENT"), { code: "ENOENT" });
    expect(dockerError(away, "x", "podman").hint).toContain("podman.socket");
    const late = Object.assign(new Error("aborted"), { name: "AbortError" });
    expect(dockerError(late, "x", "podman").hint).toBe("the engine did not answer in time; look at its load");
    expect(dockerError(late, "x", "docker").hint).toContain("older than 23.0");
    expect(dockerError(new Error("network a not found"), "x", "podman").hint).toContain(
      "podman network create",
    );
    const tun =
      '/usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): Permission denied\\nchild failed(1)"';
    expect(dockerError(Object.assign(new Error(tun), { status: 500 }), "x", "podman")).toMatchObject({
      code: "DOCKER_ROOTLESS_NETWORK",
      kind: "terminal",
    });
    const [missing] = podmanDriver.require(settingsOf({ backend: "podman" }), undefined);
    expect(missing).toMatchObject({
      path: "podman.image",
      hint: expect.stringContaining("sandbox.podman.image"),
    });
  });
});
