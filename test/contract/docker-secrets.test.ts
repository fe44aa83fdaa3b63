import { join } from "node:path";
import { expect, it } from "vitest";
import { FaultProxy } from "../support/fault-proxy.ts";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";
import { exec } from "./harness.ts";

describeWithServices("secrets of a container", (services) => {
  it("do not stay in its memory when the command that should take them is ended first", async () => {
    const { socket, host, images } = services().docker;
    await using plain = await DockerFleet.open(host, images.busybox);
    const path = join(plain.folder, "proxy.sock");
    await using proxy = await FaultProxy.open(path, socket);
    let ended = 0;
    proxy.lie = {
      asked: (_call, body) => {
        if (body["Tty"] !== true || body["Cmd"] === undefined) return body;
        ended += 1;
        return { ...body, Cmd: ["/bin/sh", "-c", "exit 3"] };
      },
    };
    await using fleet = await DockerFleet.open(`unix://${path}`, images.busybox);
    const objectId = await fleet.up();
    const argv = ["sh", "-c", 'echo "$TOKEN"'];
    const wish = { env: { TOKEN: "s3cret" }, sealed: true, tty: { rows: 30, columns: 90 } };
    expect((await exec(fleet.driver, objectId, argv, wish)).exitCode).toBe(3);
    expect(ended).toBe(1);
    const left = await exec(fleet.driver, objectId, ["find", "/dev/shm", "-type", "f"]);
    expect([left.exitCode, left.stdout.toString()]).toEqual([0, ""]);
    proxy.lie = {};
    const taken = await exec(fleet.driver, objectId, argv, wish);
    expect([taken.exitCode, taken.stdout.toString()]).toEqual([0, "s3cret\r\n"]);
  });

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
