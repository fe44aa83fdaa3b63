import { join } from "node:path";
import { expect, it } from "vitest";
import { FaultProxy } from "../support/fault-proxy.ts";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";
import { exec } from "./harness.ts";

describeWithServices("secrets of a container", (services) => {
  it("come to a sealed command past the engine, whoever runs it and whatever they are", async () => {
    const { socket, host, images } = services().docker;
    await using plain = await DockerFleet.open(host, images.busybox);
    const path = join(plain.folder, "proxy.sock");
    await using proxy = await FaultProxy.open(path, socket);
    const bodies: string[] = [];
    proxy.lie = {
      asked: (call, body) => {
        bodies.push(`${call} ${JSON.stringify(body)}`);
        return body;
      },
    };
    await using fleet = await DockerFleet.open(`unix://${path}`, images.busybox);
    const objectId = await fleet.up({ docker: { user: "1000:1000" } });
    const argv = ["/bin/sh", "-c", 'printf %s "$TOKEN"; cat'];
    const env = { TOKEN: "s3cret 'one'\n$(two)\n" };
    const sealed = await exec(fleet.driver, objectId, argv, { env, sealed: true });
    expect(sealed).toMatchObject({ exitCode: 0, stdout: Buffer.from(env.TOKEN), stderr: Buffer.from("") });
    expect(bodies.some((body) => body.startsWith("POST /containers/{}/exec "))).toBe(true);
    expect(bodies.filter((body) => body.includes("s3cret"))).toEqual([]);
    // What is not sealed is seen by it, so that the test above can fail.
    await exec(fleet.driver, objectId, argv, { env });
    expect(bodies.filter((body) => body.includes("s3cret"))).toHaveLength(1);
  });
});
