import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { unenforced } from "../../src/diff/fields.ts";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import type { CreateRequest, Driver } from "../../src/drivers/driver.ts";
import { encodeLabels } from "../../src/model/labels.ts";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";

const VOLUME = { access: "rw", provider: "volume" } as const;

describeWithServices("workspace volumes on a real engine", (services) => {
  let fleet: DockerFleet;
  beforeEach(async () => {
    fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  const volume = () => `${fleet.name()}-workspace`;
  const volumes = async (): Promise<string[]> =>
    (await fleet.docker("volume", "ls", "-q", "--filter", `name=${fleet.fleet}`)).split("\n").filter(Boolean);
  const containers = () => fleet.docker("ps", "-aq", "--filter", `name=${fleet.fleet}`);
  /** The same config under another id, or under none. */
  const requestOf = async (id: string | undefined): Promise<CreateRequest> => {
    const request = await fleet.request(VOLUME);
    const { fleet_id: _, ...labels } = request.labels;
    return { ...request, labels: { ...labels, ...(id === undefined ? {} : { fleet_id: id }) } };
  };
  /** A workspace that an agent has worked in, and whose runtime is gone for now. */
  const leave = async (): Promise<void> => {
    const id = await fleet.up(VOLUME);
    expect(await fleet.run(id, "printf precious > /workspace/work.txt")).toMatchObject({ exitCode: 0 });
    await fleet.driver.remove(id, "keep");
  };
  const kept = async (): Promise<string> => {
    const id = await fleet.up(VOLUME);
    return (await fleet.run(id, "cat /workspace/work.txt")).stdout;
  };

  it("are not taken over by another fleet of the same name", async () => {
    await leave();
    const error = await fleet.driver.create(await requestOf("idm111")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "DOCKER_VOLUME_FOREIGN",
      message: expect.stringContaining(volume()) as string,
      hint: expect.stringContaining("name_prefix") as string,
    });
    expect(String(error)).toContain("(fleet_id id1)");
    expect(await containers()).toBe("");
    expect(await kept()).toBe("precious");
  });

  it("are taken by the name alone where a config has no id", async () => {
    await leave();
    expect(await fleet.driver.create(await requestOf(undefined))).toMatchObject({ needsSeed: false });
  });

  it("are not taken where sandkeep did not make them, nor for another address", async () => {
    await fleet.docker("volume", "create", "--label", `test=${fleet.fleet}`, volume());
    const refused = { code: "DOCKER_VOLUME_FOREIGN" };
    try {
      await expect(fleet.create(VOLUME)).rejects.toMatchObject(refused);
    } finally {
      await fleet.docker("volume", "rm", volume());
    }
    const owner = ["--label", `sandkeep.fleet=${fleet.fleet}`, "--label", "sandkeep.fleet-id=id1"];
    await fleet.docker("volume", "create", ...owner, "--label", "sandkeep.address=agent/else", volume());
    await expect(fleet.create(VOLUME)).rejects.toMatchObject(refused);
    expect(await containers()).toBe("");
  });

  it("of somebody else stay when a container that uses one goes with its workspace", async () => {
    const owner = ["--label", `sandkeep.fleet=${fleet.fleet}`, "--label", "sandkeep.fleet-id=idm111"];
    await fleet.docker("volume", "create", ...owner, "--label", "sandkeep.address=agent/work", volume());
    const { labels, name } = await fleet.request(VOLUME);
    const ours = Object.entries(encodeLabels(labels)).flatMap(([key, text]) => ["--label", `${key}=${text}`]);
    const mount = ["-v", `${volume()}:/workspace`];
    const image = services().docker.images.busybox;
    const id = await fleet.docker("create", ...ours, ...mount, "--name", name, image, "true");
    await fleet.driver.remove(id, "delete");
    expect(await fleet.driver.inspect(id)).toBeUndefined();
    expect(await volumes()).toEqual([volume()]);
  });

  it("are filled anew where the removal of one that was not filled to its end broke off", async () => {
    const image = services().docker.images.busybox;
    const hold = (...labels: string[]) =>
      fleet.docker("create", ...labels, "-v", `${volume()}:/held`, image, "true");
    const first = await fleet.create(VOLUME);
    const holder = await hold("--label", `test=${fleet.fleet}`);
    try {
      await expect(fleet.driver.remove(first, "keep")).rejects.toMatchObject({ kind: "conflict" });
    } finally {
      await fleet.docker("rm", holder);
    }
    await fleet.driver.remove(first, "keep");
    const second = await fleet.driver.create(await fleet.request(VOLUME));
    expect(second.needsSeed).toBe(true);
    // What a killed upload leaves is ours, and in nobody's way.
    await hold("--label", `sandkeep.upload-for=${second.objectId}`);
    await fleet.driver.remove(second.objectId, "keep");
    expect(await volumes()).toEqual([]);
    expect(await fleet.driver.create(await fleet.request(VOLUME))).toMatchObject({ needsSeed: true });
    const marks = await fleet.docker("volume", "ls", "-q", "--filter", `label=sandkeep.fleet=${fleet.fleet}`);
    expect(marks).toBe(volume());
  });

  it("are not opened for a sync where somebody else has the name of its lock, which stays", async () => {
    const id = await fleet.up(VOLUME);
    const lock = `${volume()}-sync`;
    const other = await fleet.docker("create", "--name", lock, services().docker.images.busybox, "true");
    try {
      await expect(fleet.driver.openWorkspace?.(id)).rejects.toMatchObject({
        code: "DOCKER_SYNC_NAME_TAKEN",
      });
      expect(await fleet.docker("inspect", "--format", "{{.Id}}", lock)).toBe(other);
    } finally {
      await fleet.docker("rm", other);
    }
  });

  it("are forgotten by their own fleet alone, for one address, and not while in use", async () => {
    await leave();
    await fleet.driver.mark(fleet.scope(), "agent/work", { since: 1000, reason: "idle" });
    await fleet.driver.forget(fleet.scope({ fleet_id: "idm111" }), "agent/work");
    await fleet.driver.forget(fleet.scope(), "agent/wor");
    expect(await volumes()).toContain(volume());
    const id = await fleet.up(VOLUME);
    await expect(fleet.driver.forget(fleet.scope(), "agent/work")).rejects.toMatchObject({
      kind: "conflict",
    });
    expect((await fleet.run(id, "cat /workspace/work.txt")).stdout).toBe("precious");
    await fleet.driver.remove(id, "keep");
    await fleet.driver.forget(fleet.scope(), "agent/work");
    await fleet.driver.forget(fleet.scope(), "agent/work");
    expect(await volumes()).not.toContain(volume());
    expect(await fleet.driver.observe(fleet.scope())).toMatchObject({ dormant: [{ address: "agent/work" }] });
  });

  it("takes the volumes of an image for its own, however their paths are written", async () => {
    const changes = ["/data/", "/srv/./cache/"].flatMap((path) => ["--change", `VOLUME ${path}`]);
    const image = `sandkeep-test/${fleet.fleet}:volumes`;
    await fleet.docker("commit", ...changes, await fleet.create(), image);
    const other = await DockerFleet.open(services().docker.host, image);
    try {
      const runtime = await other.driver.inspect(await other.up());
      expect(runtime?.fields).toMatchObject({ "docker.image": image, "docker.binds": [] });
    } finally {
      await other[Symbol.asyncDispose]();
      await fleet.docker("image", "rm", "-f", image);
    }
  });
});

describeWithServices("the state directory on a real engine", (services) => {
  let fleet: DockerFleet;
  beforeEach(async () => {
    fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
    await writeFile(join(fleet.deps.stateDir, "secret-key"), "private");
    await mkdir(join(fleet.workspace, "data"));
    await writeFile(join(fleet.workspace, "data", "public"), "shown");
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  type Bind = readonly [source: string, target: string, mode: string];

  /** A running container, and where in it the key can be found. */
  const up = async (binds: readonly Bind[]): Promise<{ readonly id: string; readonly seen: string }> => {
    const docker = { binds: binds.map(([source, target, mode]) => ({ source, target, mode })) };
    const id = await fleet.up({ access: "rw", docker });
    const { fields = {} } = (await fleet.driver.inspect(id)) ?? {};
    // What is hidden is no drift.
    expect(fields["docker.tmpfs"]).toEqual(["/run", "/tmp", "/var/tmp"]);
    expect(fields["docker.binds"]).toHaveLength(binds.length);
    return { id, seen: (await fleet.run(id, "find /workspace /mnt -name secret-key")).stdout };
  };

  it.each(["ro", "rw"])("is hidden under every %s bind that would show it", async (mode) => {
    const { id, seen } = await up([
      [fleet.workspace, "/mnt/all", mode],
      [fleet.folder, "/mnt/more", mode],
    ]);
    expect(seen).toBe("");
    const listed = await fleet.run(id, "ls -A /mnt/all/state /mnt/more/workspace/state /workspace/state");
    expect(listed.stdout).not.toContain("secret-key");
    expect((await fleet.run(id, "cat /mnt/all/data/public")).stdout).toBe("shown");
    expect((await fleet.run(id, "touch /mnt/all/state/x")).exitCode).not.toBe(0);
  });

  it("is hidden around what another bind puts below it, and not where another bind already hides it", async () => {
    const data = join(fleet.workspace, "data");
    const { id, seen } = await up([
      [fleet.workspace, "/mnt/all", "rw"],
      [data, "/mnt/all/state/below", "ro"],
      [fleet.folder, "/mnt/more", "rw"],
      [data, "/mnt/more/workspace/state", "ro"],
      [fleet.folder, "/mnt/third", "ro"],
      [data, "/mnt/third/workspace", "ro"],
    ]);
    expect(seen).toBe("");
    for (const folder of ["/mnt/all/state/below", "/mnt/more/workspace/state", "/mnt/third/workspace"])
      expect((await fleet.run(id, `cat ${folder}/public`)).stdout).toBe("shown");
    expect((await fleet.run(id, "ls -A /mnt/third/workspace")).stdout).toBe("public\n");
  });

  /** The same engine, seen by somebody who keeps state in another folder. */
  const stranger = async (stateDir: string): Promise<Driver> => {
    if (stateDir.startsWith(fleet.workspace)) {
      await mkdir(stateDir);
      await writeFile(join(stateDir, "owner-id"), "0123456789abcdef");
    }
    return dockerDriver.open(undefined, { ...fleet.deps, stateDir });
  };
  const shownIn = async (driver: Driver, id: string): Promise<unknown> =>
    (await driver.inspect(id))?.fields["docker.state_directory"];

  it("that lies in the workspace of a container made without a mask for it is drift, and for nobody else", async () => {
    const elsewhere = await stranger(join(fleet.folder, "elsewhere"));
    const { objectId: id } = await elsewhere.create(await fleet.request({ access: "rw" }));
    await elsewhere.start(id);
    expect((await fleet.run(id, "cat /workspace/state/secret-key")).stdout).toBe("private");
    expect(await shownIn(elsewhere, id)).toBeUndefined();
    expect(await shownIn(fleet.driver, id)).toBe("shown at /workspace/state");
    const seen = await fleet.driver.inspect(id);
    if (seen === undefined) throw new Error("it is gone");
    expect(unenforced(fleet.spec({ access: "rw" }), seen, dockerDriver.fields)).toMatchObject([
      { path: "docker.state_directory", found: "shown at /workspace/state" },
    ]);
  });

  it("of each who keeps one in a workspace is hidden, so that none replaces what another made for ever", async () => {
    const other = await stranger(join(fleet.workspace, "other"));
    const first = await fleet.up({ access: "rw" });
    expect(await shownIn(fleet.driver, first)).toBeUndefined();
    expect(await shownIn(other, first)).toBe("shown at /workspace/other");
    // The one is a state directory as far as anybody can tell only by what is in it.
    await writeFile(join(fleet.deps.stateDir, "owner-id"), "fedcba9876543210");
    const second = await other.create(await fleet.request({ access: "rw", slot: ".new" }));
    await other.start(second.objectId);
    for (const driver of [fleet.driver, other])
      expect(await shownIn(driver, second.objectId)).toBeUndefined();
    const { stdout } = await fleet.run(second.objectId, "ls -A /workspace /workspace/other /workspace/state");
    expect(stdout).not.toMatch(/owner-id|secret-key/);
    await other.remove(second.objectId, "keep");
    // What was one is a folder like any other once its owner took it away.
    await rm(join(fleet.deps.stateDir, "owner-id"));
    const third = await other.create(await fleet.request({ access: "rw", slot: ".new" }));
    expect(await shownIn(fleet.driver, third.objectId)).toBe("shown at /workspace/state");
  });
});
