// An image may bring a health check of its own, in the place of which `ready` is asked.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { unenforced } from "../../src/diff/fields.ts";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import { podmanDriver } from "../../src/drivers/docker/podman.ts";
import { describeWith } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";

const ENGINES = [
  { engine: "docker", module: dockerDriver },
  { engine: "podman", module: podmanDriver },
] as const;

const CHECK = "HEALTHCHECK --interval=1s --timeout=5s --retries=1 CMD false";
const READY = { ready: { command: ["true"], timeout: 60_000, interval: 1_000 } };
const IMAGE = `sandkeep-test/sick-${randomBytes(4).toString("hex")}:1`;

describeWith(["docker", "podman"], "the health check of an image", (services) => {
  const fleets: Partial<Record<"docker" | "podman", DockerFleet>> = {};
  const fleetOf = (engine: "docker" | "podman"): DockerFleet => {
    const fleet = fleets[engine];
    if (fleet === undefined) throw new Error(`no fleet on ${engine}`);
    return fleet;
  };

  beforeAll(async () => {
    for (const { engine, module } of ENGINES)
      fleets[engine] = await DockerFleet.open(services()[engine].host, IMAGE, undefined, {}, module);
    const docker = fleetOf("docker");
    const base = await docker.docker("create", services().docker.images.busybox, "true");
    await docker.docker("commit", "--change", CHECK, base, IMAGE);
    await docker.docker("rm", base);
    // Podman makes no image with a health check from a container.
    const archive = join(docker.folder, "sick.tar");
    await docker.docker("save", "--output", archive, IMAGE);
    await fleetOf("podman").docker("load", "--input", archive);
  });
  afterAll(async () => {
    for (const fleet of Object.values(fleets)) {
      await fleet[Symbol.asyncDispose]();
      await fleet.docker("rmi", IMAGE);
    }
  });

  it.each(ENGINES)("is not made where `ready` is asked ($engine)", async ({ engine, module }) => {
    const fleet = fleetOf(engine);
    const own = await fleet.up();
    const request = await fleet.request({ slot: ".new" });
    const spec = { ...request.spec, values: { ...request.spec.values, ...READY } };
    const { objectId } = await fleet.driver.create({
      ...request,
      labels: { ...request.labels, spec },
      spec,
    });
    await fleet.driver.start(objectId);
    // Podman's checks are timers of systemd, which no test engine has.
    const look = async (id: string): Promise<string> => {
      if (engine === "podman") await fleet.docker("healthcheck", "run", id).catch(() => undefined);
      return (await fleet.driver.health(id)).health;
    };
    for (let tries = 0; tries < 100 && (await look(own)) !== "unhealthy"; tries += 1) await sleep(100);
    expect(await look(own)).toBe("unhealthy");
    expect(await look(objectId)).toBe("none");
    const seen = await fleet.driver.inspect(objectId);
    if (seen === undefined) throw new Error("gone");
    expect(seen).toMatchObject({ state: "running", health: "none" });
    expect(unenforced(spec, seen, module.fields)).toEqual([]);
  });
});
