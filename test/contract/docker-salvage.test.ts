import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";
import { listTar } from "./harness.ts";

const LOOSE = { docker: { read_only_root: false, user: "0:0", cap_drop: [] } } as const;
const WORK = `
  mkdir -p /root/work/deep /opt/empty && printf text > /root/work/deep/a.txt && head -c 5000 /dev/zero > /root/bin
  ln -s deep/a.txt /root/work/link && chmod 750 /root/work && printf more >> /etc/sandkeep-test
  rm /etc/passwd && printf gone > /tmp/gone && printf mine > /workspace/file
  chmod 711 /home
`;

describeWithServices("what the removal of a container would destroy", (services) => {
  let fleet: DockerFleet;
  beforeEach(async () => {
    fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  it("names the layer's topmost paths, the volume of its own, and nothing of what is only mounted", async () => {
    const id = await fleet.up(LOOSE);
    expect(await fleet.driver.changes?.(id, "keep")).toMatchObject({ files: 0, paths: [] });
    expect(await fleet.run(id, WORK)).toMatchObject({ exitCode: 0 });
    const told = await fleet.driver.changes?.(id, "keep");
    expect(told).toMatchObject({ deleted: 1, more: false, files: 7 });
    expect(told?.paths).toEqual([
      "/etc/sandkeep-test",
      "/home",
      "/opt/",
      "/root/bin",
      "/root/work/",
      "/workspace/file",
    ]);
    expect(told?.bytes).toBeGreaterThan(5000);
  });

  it("hands out folders as they are, and of changed folders of the image no more than themselves", async () => {
    const id = await fleet.up(LOOSE);
    await fleet.run(id, WORK);
    await fleet.driver.stop(id);
    const source = await fleet.driver.salvage?.(id, "keep");
    expect(source?.deleted).toEqual(["/etc/passwd"]);
    const parts = (source?.parts ?? []).map(({ path, take }) => [path, take]);
    expect(parts).toEqual([
      ["/etc", "self"],
      ["/etc/sandkeep-test", "self"],
      ["/home", "self"],
      ["/opt", "tree"],
      ["/root", "self"],
      ["/root/bin", "tree"],
      ["/root/work", "tree"],
      ["/workspace", "below"],
    ]);
    const work = source?.parts.find(({ path }) => path === "/root/work");
    if (work === undefined) throw new Error("the folder is missing");
    expect(await listTar((await source?.open(work.path, () => true)) ?? Readable.from([]))).toEqual([
      "f 644 4 deep/a.txt ",
      "l 777 10 link deep/a.txt",
    ]);
  });

  it("counts the canonical workspace only where it goes too", async () => {
    const id = await fleet.up({ access: "rw", provider: "volume" });
    await fleet.run(id, "printf precious > /workspace/work.txt");
    expect(await fleet.driver.changes?.(id, "keep")).toMatchObject({ files: 0 });
    expect(await fleet.driver.changes?.(id, "delete")).toMatchObject({
      files: 1,
      bytes: 8,
      paths: ["/workspace/work.txt"],
    });
  });

  it("glances at a large volume and says that there is more", async () => {
    const id = await fleet.up();
    await fleet.run(id, "mkdir /workspace/big && head -c 9000000 /dev/zero > /workspace/big/one");
    await fleet.run(id, "touch /workspace/big/two && touch /workspace/late");
    expect(await fleet.driver.changes?.(id, "keep")).toMatchObject({
      more: true,
      paths: ["/workspace/big/"],
    });
  });
});
