import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { describeWith, describeWithServices } from "../support/services.ts";

const run = promisify(execFile);

describeWithServices("the services of the test run", (services) => {
  const docker = (...args: string[]) => run("docker", ["-H", services().docker.host, ...args]);

  it("has an engine that answers with an API this product supports", async () => {
    const { stdout } = await docker("version", "--format", "{{.Server.APIVersion}}");
    expect(Number(stdout.trim().split(".")[1])).toBeGreaterThanOrEqual(41);
  });

  it("runs a container without a network", async () => {
    const { busybox } = services().docker.images;
    const { stdout } = await docker("run", "--rm", "--network", "none", busybox, "ls", "/sys/class/net");
    expect(stdout.trim()).toBe("lo");
  });

  it("runs a container on the default bridge, with an address", async () => {
    const { busybox } = services().docker.images;
    const { stdout } = await docker("run", "--rm", busybox, "ip", "-4", "-o", "addr", "show", "eth0");
    expect(stdout).toMatch(/inet 10\.\d+\.0\.\d+\/24/);
  });

  it("holds images that differ in digest and content", async () => {
    const { busybox, busyboxNext } = services().docker.images;
    const { stdout: ids } = await docker("image", "inspect", "--format", "{{.Id}}", busybox, busyboxNext);
    expect(new Set(ids.trim().split("\n")).size).toBe(2);
    const { stdout } = await docker(
      "run",
      "--rm",
      "--network",
      "none",
      busyboxNext,
      "cat",
      "/etc/sandkeep-test",
    );
    expect(stdout).toBe("2\n");
  });

  it("holds an image whose default command exits at once", async () => {
    const exits = docker("run", "--rm", "--network", "none", services().docker.images.exits);
    await expect(exits).rejects.toMatchObject({ code: 1 });
  });
});

describeWith(["ssh"], "the sshd of the test run", (services) => {
  it("accepts the user's key", async () => {
    const { configFile, alias } = services().ssh;
    const { stdout } = await run("ssh", ["-F", configFile, alias, "echo through"]);
    expect(stdout).toBe("through\n");
  });

  it("refuses everybody else", async () => {
    const { configFile, alias } = services().ssh;
    const strange = run("ssh", ["-F", configFile, "-o", "PubkeyAuthentication=no", alias, "true"]);
    await expect(strange).rejects.toMatchObject({ code: 255 });
  });
});
