import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import type { Driver, DriverDeps } from "../../src/drivers/driver.ts";
import type { Observation } from "../../src/model/observed.ts";
import type { Host } from "../../src/model/settings.ts";
import { describeWith } from "../support/services.ts";
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

  it("finds it through ssh, with parallel calls over one connection, and leaves nothing behind", async () => {
    const { configFile, alias } = services().ssh;
    const log = join(folder, "calls");
    await writeSsh(folder, log, configFile);
    const host: Host = { name: "far", docker: `ssh://${alias}${services().docker.socket}`, labels: {} };
    const env = { PATH: `${folder}:${process.env["PATH"] ?? ""}` };
    const fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox, host, env);
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
    } finally {
      await fleet[Symbol.asyncDispose]();
    }
    expect(await pids(log)).toHaveLength(1);
    const { stdout: processes } = await run("ps", ["-eo", "args"]);
    expect(processes).not.toContain(`${alias}:`);
    expect(
      processes.split("\n").filter((line) => line.includes(`-F ${configFile}`) && line.includes("-N")),
    ).toEqual([]);
  });

  it("opens a broken ssh connection again, once for all who wait for it", async () => {
    const { configFile, alias } = services().ssh;
    const log = join(folder, "calls");
    await writeSsh(folder, log, configFile);
    const host: Host = { name: "far", docker: `ssh://${alias}${services().docker.socket}`, labels: {} };
    const driver = await open(host, { PATH: `${folder}:${process.env["PATH"] ?? ""}` });
    const all = () => Promise.all(Array.from({ length: 5 }, () => seen(driver)));
    expect((await all()).map(({ status }) => status)).toEqual(Array(5).fill("complete"));
    const [first = 0] = await pids(log);
    process.kill(first, "SIGKILL");
    await expect.poll(async () => (await seen(driver)).status).toBe("complete");
    expect((await all()).map(({ status }) => status)).toEqual(Array(5).fill("complete"));
    expect(await pids(log)).toHaveLength(2);
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
      await expect.poll(() => stdout.text).toBe("up\n");
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

/** An ssh of the test's own config, which writes down its process id. */
async function writeSsh(folder: string, log: string, configFile: string): Promise<void> {
  await writeFile(
    join(folder, "ssh"),
    `#!/bin/sh\necho $$ >> ${log}\nexec /usr/bin/ssh -F ${configFile} "$@"\n`,
  );
  await chmod(join(folder, "ssh"), 0o755);
}

async function pids(log: string): Promise<number[]> {
  return (await readFile(log, "utf8")).trim().split("\n").map(Number);
}

async function makeCertificates(folder: string): Promise<void> {
  const inside = { cwd: folder };
  await run(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=test-ca",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
    ],
    inside,
  );
  await run(
    "openssl",
    [
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-subj",
      "/CN=engine.test",
      "-keyout",
      "key.pem",
      "-out",
      "engine.csr",
    ],
    inside,
  );
  await writeFile(join(folder, "ext"), "subjectAltName=DNS:engine.test\n");
  await run(
    "openssl",
    [
      "x509",
      "-req",
      "-in",
      "engine.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      "ext",
      "-out",
      "cert.pem",
    ],
    inside,
  );
}
