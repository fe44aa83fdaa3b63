import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Host } from "../../../src/model/settings.ts";
import {
  isRemote,
  ownSockets,
  parseEndpoint,
  resolveEndpoint,
} from "../../../src/drivers/docker/endpoint.ts";
import { registryAuth, registryOf } from "../../../src/registry/auth.ts";

describe("an endpoint", () => {
  it.each([
    ["unix:///run/d.sock", { kind: "unix", socket: "/run/d.sock" }],
    ["tcp://h:1", { kind: "tcp", host: "h", port: 1 }],
    ["tcp://[::1]:1", { kind: "tcp", host: "::1", port: 1 }],
    ["tcp://h", { kind: "tcp", host: "h", port: 2375 }],
    [
      "ssh://me@h:2222",
      { kind: "ssh", to: { user: "me", host: "h", port: 2222 }, socket: "/var/run/docker.sock" },
    ],
    ["ssh://h/run/user/1/docker.sock", { kind: "ssh", to: { host: "h" }, socket: "/run/user/1/docker.sock" }],
  ])("%s is understood", (text, expected) => {
    expect(parseEndpoint(text)).toEqual(expected);
  });

  it.each([
    "unix://relative",
    "ftp://h",
    "h:2375",
    "ssh://me:password@h",
    "ssh://-oProxyCommand=x@h",
    "ssh://-oProxyCommand=x",
    "ssh://h/a:b",
    "",
  ])("%j is refused", (text) => {
    expect(parseEndpoint(text)).toBeUndefined();
  });
});

describe("a socket of this machine", () => {
  const host = { name: "b", docker: "unix:///srv/b.sock", podman: "tcp://h:1", labels: {} };

  it("is the one that a host or the environment names", () => {
    const env = { DOCKER_HOST: "unix:///srv/d.sock", CONTAINER_HOST: "unix:///srv/p.sock" };
    expect(ownSockets("docker", undefined, env)).toEqual(["/srv/d.sock"]);
    expect(ownSockets("podman", undefined, env)).toEqual(["/srv/p.sock"]);
    expect(ownSockets("docker", host, env)).toEqual(["/srv/b.sock"]);
  });

  it("is none where the engine is elsewhere", () => {
    expect(ownSockets("docker", undefined, {})).toEqual([]);
    expect(ownSockets("podman", host, { CONTAINER_HOST: "unix:///srv/p.sock" })).toEqual([]);
    const ssh = { target: "h", strict_host_key: true, transport: "auto", folder: "/f" } as const;
    expect(ownSockets("docker", { ...host, ssh }, {})).toEqual([]);
  });
});

describe("an engine of a host that is reached over ssh", () => {
  const ssh = {
    target: "ci@build1:2222",
    identity_file: "/keys/ci",
    known_hosts_file: "/keys/known",
    strict_host_key: true,
    jump: "bastion",
    transport: "auto" as const,
    folder: "/fleet",
  };
  const at = async (docker: string) => resolveEndpoint({ name: "b", docker, ssh, labels: {} }, {});
  const whole = { kind: "ssh", name: "b", access: ssh, socket: "/var/run/docker.sock" };

  it("is entered by the keys, the known hosts and the jump of the host's table, over the same connection", async () => {
    expect(await at("ssh://build1")).toEqual(whole);
    expect(await at("ssh://ci@build1:2222")).toEqual(whole);
    expect(await at("ssh://root@build1")).toEqual({
      ...whole,
      access: { ...ssh, target: "root@build1:2222" },
    });
    expect(await at("ssh://elsewhere/d.sock")).toEqual({
      ...whole,
      access: { ...ssh, target: "elsewhere" },
      socket: "/d.sock",
    });
  });

  it("is a socket of that machine, and none of this one", async () => {
    const docker = "unix:///d.sock";
    expect(await at(docker)).toEqual({ ...whole, socket: "/d.sock" });
    expect(isRemote({ name: "b", docker, ssh, labels: {} })).toBe(true);
    expect(isRemote({ name: "b", docker, labels: {} })).toBe(false);
  });

  it("without a table is entered as the user's own ssh would be", async () => {
    const host = { name: "b", docker: "ssh://ci@[2001:db8::1]:22", labels: {} };
    expect(await resolveEndpoint({ ...host, docker: "ssh://ci@build1" }, {})).toMatchObject({
      access: { target: "ci@build1", strict_host_key: true, transport: "auto" },
    });
    await expect(resolveEndpoint(host, {})).rejects.toMatchObject({ code: "DOCKER_ENDPOINT_INVALID" });
  });
});

describe("where podman listens", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandkeep-run-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const find = (env: Readonly<Record<string, string>>, host?: Host) => resolveEndpoint(host, env, "podman");

  it("is the host's table, CONTAINER_HOST, the user's own socket where there is one, or the machine's", async () => {
    const system = { kind: "unix", socket: "/run/podman/podman.sock" };
    const env = { XDG_RUNTIME_DIR: folder, DOCKER_HOST: "unix:///docker.sock", CONTAINER_HOST: "" };
    expect(await find({})).toEqual(system);
    expect(await find(env)).toEqual(system);
    await mkdir(join(folder, "podman"));
    await writeFile(join(folder, "podman", "podman.sock"), "");
    expect(await find(env)).toEqual({ kind: "unix", socket: join(folder, "podman", "podman.sock") });
    const fromEnv = { ...env, CONTAINER_HOST: "ssh://core@box:22" };
    expect(await find(fromEnv)).toMatchObject({ kind: "ssh", socket: "/run/podman/podman.sock" });
    const host = { name: "b", docker: "unix:///d.sock", podman: "unix:///p.sock", labels: {} };
    expect(await find(fromEnv, host)).toEqual({ kind: "unix", socket: "/p.sock" });
    expect(await find(env, { name: "b", docker: "unix:///d.sock", labels: {} })).toMatchObject({
      kind: "unix",
    });
  });

  it("is told apart from what is no endpoint", async () => {
    const asked = find({ CONTAINER_HOST: "podman.sock" });
    await expect(asked).rejects.toMatchObject({ code: "DOCKER_ENDPOINT_INVALID" });
    await expect(asked).rejects.toThrow(/CONTAINER_HOST is not a podman endpoint/);
  });
});

describe("the docker CLI's files", () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "sandkeep-home-"));
    await mkdir(join(home, ".docker"));
  });
  afterEach(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  const config = (value: unknown) => writeFile(join(home, ".docker", "config.json"), JSON.stringify(value));

  it("come after the host's table and DOCKER_HOST, and before the usual socket", async () => {
    const env = { HOME: home };
    expect(await resolveEndpoint(undefined, env)).toEqual({ kind: "unix", socket: "/var/run/docker.sock" });
    await config({ currentContext: "away" });
    await expect(resolveEndpoint(undefined, env)).rejects.toMatchObject({ code: "DOCKER_CONTEXT_UNKNOWN" });
    expect(await resolveEndpoint(undefined, { ...env, DOCKER_CONTEXT: "default" })).toMatchObject({
      kind: "unix",
    });
    const fromEnv = { ...env, DOCKER_HOST: "tcp://env:1" };
    expect(await resolveEndpoint(undefined, fromEnv)).toEqual({ kind: "tcp", host: "env", port: 1 });
    const host = { name: "b", docker: "unix:///b.sock", labels: {} };
    expect(await resolveEndpoint(host, fromEnv)).toEqual({ kind: "unix", socket: "/b.sock" });
  });

  it("are not ignored when a certificate is missing", async () => {
    const tls = { ca: join(home, "none.pem") };
    const host = { name: "b", docker: "tcp://b:2376", tls, labels: {} };
    await expect(resolveEndpoint(host, {})).rejects.toMatchObject({ code: "TLS_FILE" });
  });

  it.each([
    ["debian:12", "https://index.docker.io/v1/"],
    ["library/debian", "https://index.docker.io/v1/"],
    ["docker.io/library/debian", "https://index.docker.io/v1/"],
    ["ghcr.io/a/b:1", "ghcr.io"],
    ["localhost/a", "localhost"],
    ["reg:5000/a@sha256:00", "reg:5000"],
  ])("know the registry of %s", (ref, expected) => {
    expect(registryOf(ref)).toBe(expected);
  });

  it("give credentials from the file, or from a helper that is asked on stdin", async () => {
    const secret = Buffer.from("me:pa:ss").toString("base64");
    await config({ auths: { "ghcr.io": { auth: secret } } });
    const env = { HOME: home, PATH: `${home}:${process.env["PATH"] ?? ""}` };
    expect(await registryAuth("ghcr.io/a", env)).toEqual({
      username: "me",
      password: "pa:ss",
      serveraddress: "ghcr.io",
    });
    expect(await registryAuth("debian", env)).toBeUndefined();
    const helper =
      '#!/bin/sh\nread -r server\necho "{\\"Username\\":\\"$1\\",\\"Secret\\":\\"for $server\\"}"\n';
    await writeFile(join(home, "docker-credential-test"), helper, { mode: 0o755 });
    await config({ credHelpers: { "ghcr.io": "test" }, credsStore: "../evil" });
    expect(await registryAuth("ghcr.io/a", env)).toEqual({
      username: "get",
      password: "for ghcr.io",
      serveraddress: "ghcr.io",
    });
    expect(await registryAuth("debian", env)).toBeUndefined();
  });
});
