import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import type { Driver, DriverDeps } from "../../src/drivers/driver.ts";
import type { Observation } from "../../src/model/observed.ts";
import type { Host, SshAccess } from "../../src/model/settings.ts";
import { makeCertificates } from "../support/certificates.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";
import { DockerFleet, Text } from "./docker-kit.ts";

const run = promisify(execFile);

describeWith(["docker", "ssh"], "ways to a docker engine", (services) => {
  let folder: string;
  const closing: (() => PromiseLike<unknown>)[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandkeep-way-"));
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const open = async (host: Host | undefined, env: DriverDeps["env"]): Promise<Driver> => {
    const driver = await dockerDriver.open(host, {
      stateDir: folder,
      env: { PATH: process.env["PATH"], HOME: folder, ...env },
      now: () => Date.now(),
      randomId: () => "0123456789abcdef",
    });
    closing.push(() => driver[Symbol.asyncDispose]());
    return driver;
  };

  /** Passes connections on to the engine; `cut` breaks those that are open. */
  const relay = async (server: Server): Promise<{ port: number; cut: () => void }> => {
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const cut = (): void => {
      for (const socket of sockets) socket.destroy();
    };
    closing.push(() => {
      cut();
      return new Promise((resolve) => server.close(resolve));
    });
    return { port: (server.address() as AddressInfo).port, cut };
  };
  const forward = (socket: Socket): void => {
    const engine = connect(services().docker.socket);
    engine.on("error", () => socket.destroy());
    socket.on("error", () => engine.destroy());
    socket.on("close", () => engine.destroy());
    socket.pipe(engine).pipe(socket);
  };

  for (const transport of ["ssh2", "openssh"] as const) {
    it(`finds it through the host's own ssh connection, over ${transport}, and keeps a dropped one from being an answer`, async () => {
      await using sshd = await startSshd();
      await using cutter = await startCutter(sshd.port);
      const host = far(sshd, services().docker.socket, {
        transport,
        target: `${sshd.user}@127.0.0.1:${cutter.port}`,
      });
      await writeFile(sshd.knownHostsFile, `[127.0.0.1]:${cutter.port} ${sshd.hostKey}\n`);
      const fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox, host);
      try {
        const id = await fleet.up({ access: "rw", provider: "volume" });
        const answers = await Promise.all(
          Array.from({ length: 12 }, (_, i) => fleet.run(id, `echo ${i}; exit ${i}`)),
        );
        expect(answers.map(({ exitCode }) => exitCode)).toEqual(Array.from({ length: 12 }, (_, i) => i));
        expect(await fleet.driver.observe(fleet.scope())).toMatchObject({
          status: "complete",
          host: "far",
          runtimes: [{ object_id: id }],
        });
        await expect(fleet.create({ access: "rw", address: "agent/bound" })).rejects.toMatchObject({
          code: "DOCKER_REMOTE_BIND",
        });
        expect(cutter.connections()).toBe(1);
        cutter.cut();
        await expect
          .poll(async () => (await fleet.driver.observe(fleet.scope())).status, { timeout: 30_000 })
          .toBe("complete");
        expect(cutter.connections()).toBeGreaterThan(1);
      } finally {
        await fleet[Symbol.asyncDispose]();
      }
    });

    it(`finds it through the host's docker program where sshd forwards no sockets, over ${transport}`, async () => {
      await using sshd = await startSshd(["AllowStreamLocalForwarding no"]);
      const host = far(sshd, services().docker.socket, { transport });
      const fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox, host);
      try {
        const id = await fleet.up({ access: "rw", provider: "volume" });
        expect(await fleet.run(id, "cat; exit 3", { stdin: Readable.from(["hello"]) })).toMatchObject({
          exitCode: 3,
          stdout: "hello",
        });
      } finally {
        await fleet[Symbol.asyncDispose]();
      }
      const gone = await open(far(sshd, "/nonexistent/docker.sock", { transport }), {});
      expect(await seen(gone)).toMatchObject({ status: "unobserved", kind: "unreachable" });
      expect(await gone.probe()).toMatchObject({ status: "unavailable", reasons: [{ code: "unreachable" }] });
    });
  }

  it("is refused a host whose key nobody knows, as everywhere", async () => {
    await using sshd = await startSshd();
    const known_hosts = `[127.0.0.1]:${sshd.port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm8v0000000000000000000000000000000000000000`;
    const driver = await open(far(sshd, services().docker.socket, { known_hosts }), {});
    expect(await driver.probe()).toMatchObject({
      status: "unavailable",
      reasons: [{ code: "ssh-host-key" }],
    });
    expect(await seen(driver)).toMatchObject({ status: "unobserved", kind: "denied" });
  });

  it("says why ssh did not work, without asking anything", async () => {
    const driver = await open({ name: "far", docker: "ssh://nobody@127.0.0.1:1", labels: {} }, {});
    expect(await seen(driver)).toMatchObject({ status: "unobserved", kind: "unreachable", host: "far" });
    expect(await driver.probe()).toMatchObject({ status: "unavailable", reasons: [{ code: "unreachable" }] });
  });

  it("finds it through TLS with certificates, and through nothing less", async () => {
    await makeCertificates(folder);
    const read = async (name: string): Promise<string> => (await run("cat", [join(folder, name)])).stdout;
    const options = { ca: await read("ca.pem"), cert: await read("cert.pem"), key: await read("key.pem") };
    const { port } = await relay(createTlsServer({ ...options, requestCert: true }, forward));
    const tls = {
      ca: join(folder, "ca.pem"),
      cert: join(folder, "cert.pem"),
      key: join(folder, "key.pem"),
      server_name: "engine.test",
    };
    const docker = `tcp://127.0.0.1:${port}`;
    expect(await seen(await open({ name: "far", docker, tls, labels: {} }, {}))).toMatchObject({
      status: "complete",
    });
    const env = { DOCKER_HOST: docker, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder };
    // The certificate is not for 127.0.0.1.
    expect(await seen(await open(undefined, env))).toMatchObject({ status: "unobserved", kind: "denied" });
    expect(await seen(await open({ name: "far", docker, labels: {} }, {}))).toMatchObject({
      status: "unobserved",
    });
  });

  it("finds it through the docker CLI's own context", async () => {
    const meta = join(
      folder,
      ".docker",
      "contexts",
      "meta",
      "b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a",
    );
    await mkdir(meta, { recursive: true });
    await writeFile(join(folder, ".docker", "config.json"), JSON.stringify({ currentContext: "remote" }));
    await writeFile(
      join(meta, "meta.json"),
      JSON.stringify({ Endpoints: { docker: { Host: services().docker.host } } }),
    );
    expect(await (await open(undefined, {})).probe()).toEqual({ status: "ready" });
    const unknown = await open(undefined, { DOCKER_CONTEXT: "elsewhere" });
    expect(await seen(unknown)).toMatchObject({
      status: "unobserved",
      message: expect.stringContaining("elsewhere") as string,
    });
  });

  it("cannot observe an engine that is not there, and does not call that empty", async () => {
    const driver = await open(undefined, { DOCKER_HOST: `unix://${folder}/none.sock` });
    expect(await seen(driver)).toMatchObject({
      status: "unobserved",
      kind: "unreachable",
      backend: "docker",
      host: "local",
    });
    await expect(driver.health("abc")).rejects.toMatchObject({ kind: "unreachable" });
    expect(await driver.resolveImage("x", "missing")).toMatchObject({ status: "unknown" });
    await expect(driver.remove("abc", "keep")).rejects.toMatchObject({ kind: "unreachable" });
  });

  it("does not take a broken connection for the end of a command, nor for silence", async () => {
    const { port, cut } = await relay(createServer(forward));
    const fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
    try {
      const id = await fleet.up();
      const driver = await open(undefined, { DOCKER_HOST: `tcp://127.0.0.1:${port}` });
      const stdout = new Text();
      const argv = ["sh", "-c", "echo up; sleep 1000"];
      const handle = await driver.exec({ objectId: id, argv, env: {}, stdout, stderr: new Text() });
      const events = (await driver.events(fleet.scope(), new AbortController().signal))[
        Symbol.asyncIterator
      ]();
      await expect.poll(() => stdout.text, { timeout: 30_000 }).toBe("up\n");
      const outcome = expect(handle.result).rejects.toMatchObject({ kind: "unreachable" });
      cut();
      expect(await events.next()).toEqual({ done: false, value: { kind: "gap" } });
      expect(await events.next()).toMatchObject({ done: true });
      await outcome;
    } finally {
      await fleet[Symbol.asyncDispose]();
    }
  });
});

function seen(driver: Driver): Promise<Observation> {
  return driver.observe({ fleet: "no-such-fleet", names: [] });
}

/** An engine's socket on another machine, reached by the keys of the host's table alone. */
function far(sshd: Sshd, socket: string, changes: Partial<SshAccess>): Host {
  return { ...sshd.host("far", changes), docker: `unix://${socket}` };
}
