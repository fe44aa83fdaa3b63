import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FaultProxy, type Lie } from "../support/fault-proxy.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, outcomesOf } from "./cli.ts";

// An engine that does less than it was asked: seen by what it shows, or, where it lies about that too, from inside.

type Table = Readonly<Record<string, unknown>>;

const CONFIG = (more: string): string => `
[sandbox]
backend = "docker"
attest = true
[sandbox.workspace]
access = "ro"
[sandbox.docker]
image = "sandkeep-test/busybox:1"
memory = "64MiB"
memory_swap = "96MiB"
cpus = 0.5
pids = 100
user = "1000:1000"
${more}[agents.main]
`;

const tableOf = (body: Table, name: string): Table => Object(body[name]);
const lists = (value: unknown): readonly Table[] => (Array.isArray(value) ? value : []);

/** One thing that the engine is kept from hearing, and the field that shows it. */
interface Case {
  readonly field: string;
  /** Changes what the engine hears of `HostConfig`. */
  readonly drop: (host: Table) => Table;
  readonly found: RegExp;
}

const CASES: readonly Case[] = [
  { field: "docker.read_only_root", drop: (host) => ({ ...host, ReadonlyRootfs: false }), found: /found rw/ },
  { field: "docker.network", drop: (host) => ({ ...host, NetworkMode: "bridge" }), found: /eth0/ },
  {
    field: "docker.memory",
    drop: (host) => ({ ...host, Memory: 0, MemorySwap: 0 }),
    found: /asked 67108864, found unlimited/,
  },
  {
    field: "docker.memory_swap",
    drop: (host) => ({ ...host, MemorySwap: -1 }),
    found: /asked 100663296, found unlimited/,
  },
  { field: "docker.cpus", drop: (host) => ({ ...host, NanoCpus: 0 }), found: /asked 0.5, found unlimited/ },
  { field: "docker.pids", drop: (host) => ({ ...host, PidsLimit: 0 }), found: /asked 100, found unlimited/ },
  {
    field: "docker.cap_drop",
    drop: (host) => ({ ...host, CapDrop: [] }),
    found: /NET_RAW/,
  },
  {
    field: "docker.no_new_privileges",
    drop: (host) => ({ ...host, SecurityOpt: [] }),
    found: /found 0/,
  },
  {
    field: "docker.seccomp",
    drop: (host) => ({ ...host, SecurityOpt: ["no-new-privileges", "seccomp=unconfined"] }),
    found: /asked default, found 0/,
  },
  {
    field: "workspace.access",
    drop: (host) => ({
      ...host,
      Mounts: lists(host["Mounts"]).map((each) => ({ ...each, ReadOnly: false })),
    }),
    found: /workspace.* found rw/,
  },
];

/** The engine hears less than it is told; what it shows is the truth. */
const forgets = (drop: Case["drop"]): Lie => ({
  asked: (call, body) =>
    call === "POST /containers/create" ? { ...body, HostConfig: drop(tableOf(body, "HostConfig")) } : body,
});

/** It also shows its creator what was asked for, as an engine does that takes a limit and cannot keep it. */
function pretends(drop: Case["drop"]): Lie {
  let asked: Table = {};
  return {
    asked: (call, body) => {
      if (call !== "POST /containers/create") return body;
      asked = tableOf(body, "HostConfig");
      return { ...body, HostConfig: drop(asked) };
    },
    told: (call, body) => {
      if (call !== "GET /containers/{}/json") return body;
      const mounts = lists(body["Mounts"]).map((each) => ({ ...each, RW: false }));
      const told: Table = { ...tableOf(body, "HostConfig"), ...asked };
      const settings = { ...tableOf(body, "NetworkSettings"), Networks: { none: {} } };
      return { ...body, HostConfig: told, Mounts: mounts, NetworkSettings: settings };
    },
  };
}

async function opened(docker: string): Promise<{ project: Project; proxy: FaultProxy } & AsyncDisposable> {
  const real = docker.replace("unix://", "");
  const path = `/tmp/sandkeep-liar-${process.pid}-${Math.random().toString(36).slice(2)}.sock`;
  const proxy = await FaultProxy.open(path, real);
  const project = await Project.open({ docker, env: { DOCKER_HOST: `unix://${path}` } });
  return {
    project,
    proxy,
    async [Symbol.asyncDispose]() {
      await project[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describeWithServices("an engine that does not keep its word", (services) => {
  test.each(CASES)("fails the apply when it forgets $field", async ({ field, drop }) => {
    await using site = await opened(services().docker.host);
    await site.project.config(CONFIG(""));
    site.proxy.lie = forgets(drop);
    const result = await site.project.apply();
    expect(result.exit_code).toBe(5);
    expect(outcomesOf(result)).toEqual({ "agent/main": "create rolled_back" });
    expect(result.outcomes[0]?.error).toMatchObject({ code: "NOT_ENFORCED" });
    expect(result.outcomes[0]?.error?.message).toMatch(new RegExp(`${field.replace(".", "\\.")} \\(`));
    expect(await site.project.containers()).toEqual([]);
  });

  test.each(CASES)(
    "is found out from inside when it only pretends $field",
    async ({ field, drop, found }) => {
      await using site = await opened(services().docker.host);
      await site.project.config(CONFIG(""));
      site.proxy.lie = pretends(drop);
      const { exit_code, outcomes } = await site.project.apply();
      expect(exit_code).toBe(5);
      const message = outcomes[0]?.error?.message ?? "";
      expect(message).toContain("seen from inside, the sandbox does not have");
      expect(message).toContain(field);
      expect(message).toMatch(found);
      expect(await site.project.containers()).toEqual([]);
    },
  );

  test("is believed when it only pretends and nobody looks", async () => {
    await using site = await opened(services().docker.host);
    await site.project.config(CONFIG("").replace("attest = true", ""));
    site.proxy.lie = pretends((host) => ({ ...host, Memory: 0, MemorySwap: 0 }));
    expect((await site.project.apply()).exit_code).toBe(0);
  });

  test("is taken at its word where it says that it will not", async () => {
    await using site = await opened(services().docker.host);
    await site.project.config(CONFIG(""));
    const warning =
      "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
    site.proxy.lie = {
      told: (call, body) =>
        call === "POST /containers/create" ? { ...body, Warnings: [warning, "something else"] } : body,
    };
    const ran = await site.project.run(["apply", "--yes"]);
    expect(ran.code).toBe(5);
    expect(ran.stderr).toContain("something else");
    expect((ran.stdout + ran.stderr).replaceAll(/\s+/g, " ")).toContain(
      `docker.memory_swap (asked 100663296, found none: ${warning})`,
    );
    site.proxy.lie = { told: (call, body) => (call === "GET /info" ? { ...body, SwapLimit: false } : body) };
    expect((await site.project.apply()).outcomes[0]?.error?.message).toContain(
      "docker.memory_swap (asked 100663296, found none: the engine cannot limit swap; boot with swapaccount=1, or leave memory_swap out)",
    );
    await site.project.config(CONFIG("").replace('memory_swap = "96MiB"\n', ""));
    expect((await site.project.apply()).exit_code).toBe(0);
  });
});

/** One thing that the engine is kept from hearing of a network, and how the apply tells it. */
const NETWORK_CASES: readonly { readonly told: string; readonly drop: (asked: Table) => Table }[] = [
  { told: "internal (asked true, found false)", drop: (asked) => ({ ...asked, Internal: false }) },
  {
    told: "options.com.docker.network.bridge.enable_icc (asked false, found none)",
    drop: (asked) => ({ ...asked, Options: {} }),
  },
  { told: "subnet (asked 10.99.17.0/24, found ", drop: (asked) => ({ ...asked, IPAM: undefined }) },
];

describeWithServices("an engine that does not keep its word on a network", (services) => {
  const ON_NETWORK = `${CONFIG('network = "closed"\n')}
[networks.closed]
internal = true
subnet = "10.99.17.0/24"
options = { "com.docker.network.bridge.enable_icc" = "false" }
`;

  test.each(NETWORK_CASES)("fails the apply, which leaves nothing: $told", async ({ told, drop }) => {
    await using site = await opened(services().docker.host);
    await site.project.config(ON_NETWORK);
    site.proxy.lie = { asked: (call, body) => (call === "POST /networks/create" ? drop(body) : body) };
    const result = await site.project.apply();
    expect(result.exit_code).toBe(5);
    expect(outcomesOf(result)).toEqual({ "agent/main": "create failed", "network/closed": "create failed" });
    const { name } = (await site.project.plan()).networks?.[0] ?? {};
    for (const { error } of result.outcomes) {
      expect(error).toMatchObject({ code: "NOT_ENFORCED", hint: expect.stringContaining("use an engine") });
      expect(error?.message).toContain(`the engine does not enforce ${told}`);
      expect(error?.message).toContain(` of the network ${name}`);
    }
    expect([await site.project.networks(), await site.project.containers()]).toEqual([[], []]);
    // The same engine, once it does as it is told.
    site.proxy.lie = undefined;
    expect((await site.project.apply()).exit_code).toBe(0);
    expect(await site.project.networks()).toEqual([name]);
  });

  test("asks no more calls of one that keeps it", async () => {
    await using site = await opened(services().docker.host);
    await site.project.config(ON_NETWORK);
    expect((await site.project.apply()).exit_code).toBe(0);
    const made = site.proxy.calls.findIndex(({ kind }) => kind === "POST /networks/create");
    const after = site.proxy.calls.slice(made + 1).filter(({ kind }) => kind.includes("/networks"));
    expect(after.map(({ kind }) => kind)).toEqual(["GET /networks"]);
  });
});

/** What the engine says of its machine, whatever that has. */
const saysOfAppArmor = (has: boolean, body: Table): Table => {
  const options = Array.isArray(body["SecurityOptions"]) ? body["SecurityOptions"] : [];
  const others = options.filter((each) => !String(each).includes("apparmor"));
  return { ...body, SecurityOptions: has ? [...others, "name=apparmor"] : others };
};

/** It takes a profile, applies none, and repeats what it was asked for; with `lies` also that it did. */
const leavesOut = (lies: boolean): Lie => ({
  asked: (call, body) =>
    call === "POST /containers/create"
      ? { ...body, HostConfig: { ...tableOf(body, "HostConfig"), SecurityOpt: ["no-new-privileges"] } }
      : body,
  told: (call, body) => {
    if (call === "GET /info") return saysOfAppArmor(true, body);
    if (call !== "GET /containers/{}/json") return body;
    const SecurityOpt = ["no-new-privileges", "apparmor=my-profile"];
    const profile = lies ? { AppArmorProfile: "my-profile" } : {};
    return { ...body, ...profile, HostConfig: { ...tableOf(body, "HostConfig"), SecurityOpt } };
  },
});

describeWithServices("a profile that an engine takes and leaves out", (services) => {
  const PROFILE = CONFIG('apparmor = "my-profile"\n');

  test("blocks the apply where its machine has no AppArmor, before anything is made", async () => {
    await using site = await opened(services().docker.host);
    await site.project.config(PROFILE);
    site.proxy.lie = { told: (call, body) => (call === "GET /info" ? saysOfAppArmor(false, body) : body) };
    const ran = await site.project.run(["apply", "--yes"]);
    expect(ran.code).toBe(3);
    expect((ran.stdout + ran.stderr).replaceAll(/\s+/g, " ")).toContain(
      'docker.apparmor asks for the profile "my-profile", and the engine\'s machine has no AppArmor to apply it',
    );
    expect(await site.project.containers()).toEqual([]);
  });

  test.each([
    [false, /does not enforce docker\.apparmor \(asked my-profile, found (?:none|docker-default)\)/],
    [true, /seen from inside, the sandbox does not have docker\.apparmor \(asked my-profile/],
  ])("fails the apply when it repeats it, or even says that it did: %s", async (lies, message) => {
    await using site = await opened(services().docker.host);
    await site.project.config(PROFILE);
    site.proxy.lie = leavesOut(lies);
    const result = await site.project.apply();
    expect(result.exit_code).toBe(5);
    expect(result.outcomes[0]?.error).toMatchObject({ code: "NOT_ENFORCED" });
    expect(result.outcomes[0]?.error?.message).toMatch(message);
    expect(await site.project.containers()).toEqual([]);
  });
});

describeWithServices("attest on an honest engine", (services) => {
  test("finds everything kept, shows what it found, and is no use of the sandbox", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await mkdir(join(project.root, "data"));
    await project.config(CONFIG('binds = ["./data:/data:ro"]\nulimits = { nofile = 1000 }\n'));
    expect((await project.apply()).exit_code).toBe(0);
    const { attested } = await project.json("inspect", "agent/main");
    const checks = (Array.isArray(attested) ? attested : []).map(
      (each: Table) => `${String(each["path"])} ${String(each["status"])}`,
    );
    expect(checks.toSorted()).toEqual(
      [
        "cap_drop",
        "user",
        "read_only_root",
        "binds",
        "tmpfs",
        "tmpfs",
        "tmpfs",
        "ulimits.nofile",
        "memory",
        "memory_swap",
        "pids",
        "cpus",
        "network",
        "no_new_privileges",
        "seccomp",
      ]
        .map((key) => `docker.${key} held`)
        .concat("workspace.access held")
        .toSorted(),
    );
    // A write that was tried is no file, not even for a moment that lasts.
    expect(await readdir(join(project.root, "data"))).toEqual([]);
    const [row] = await project.list();
    expect(row).toMatchObject({ busy: false, config: "match" });
    const { changes } = await project.plan();
    expect(changes.map((each) => each.actions)).toEqual([["no-op"]]);
  });

  test("refuses an image that nothing can be looked at in", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(CONFIG('command = ["/bin/busybox", "sleep", "600"]\n'));
    await project.docker(
      "build",
      "-q",
      "-t",
      `${project.fleet}:bare`,
      "--label",
      "bare=1",
      await bare(project),
    );
    try {
      await project.edit("sandkeep-test/busybox:1", `${project.fleet}:bare`);
      const { exit_code, outcomes } = await project.apply();
      expect(exit_code).toBe(5);
      expect(outcomes[0]?.error?.message).toContain("not known: nothing could be looked at from inside");
      expect(outcomes[0]?.error?.hint).toContain("attest = false");
      await project.edit("attest = true", "attest = false");
      expect((await project.apply()).exit_code).toBe(0);
    } finally {
      await project.docker("rm", "-f", ...(await project.containers()));
      await project.docker("rmi", "-f", `${project.fleet}:bare`);
    }
  });
});

/** A build context of the test image without its shells. */
async function bare(project: Project): Promise<string> {
  const folder = join(project.folder, "bare");
  await mkdir(folder);
  await project.file("../bare/Dockerfile", "FROM sandkeep-test/busybox:1\nRUN rm -f /bin/sh /bin/ash\n");
  return folder;
}
