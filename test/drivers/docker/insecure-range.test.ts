// An engine that only says where registries are asked without encryption, and such a registry.
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";

const DIGEST = `sha256:${"0a".repeat(32)}`;
const servers: Server[] = [];

async function listen(handler: RequestListener): Promise<number> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function engineWith(InsecureRegistryCIDRs: readonly string[]): Promise<number> {
  const answers: Readonly<Record<string, object>> = {
    "/version": { Os: "linux", Arch: "amd64" },
    "/info": { ID: "e", RegistryConfig: { IndexConfigs: {}, InsecureRegistryCIDRs } },
  };
  return listen((request, response) => {
    const path = (request.url ?? "").replace(/^\/v\d[\d.]*/, "");
    const answer = answers[path];
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { message: "No such image: it" }));
  });
}

it("a registry whose address the engine asks without encryption is asked so, and no other", async () => {
  const registry = await listen((_, response) => {
    const type = "application/vnd.oci.image.manifest.v1+json";
    response.writeHead(200, { "content-type": type, "docker-content-digest": DIGEST }).end();
  });
  // On Linux this address leads to this machine, and is none of those that every engine takes for its own.
  const ref = `0.0.0.0:${registry}/app:1`;
  const ask = async (ranges: readonly string[]) => {
    const env = { DOCKER_HOST: `tcp://127.0.0.1:${await engineWith(ranges)}`, HOME: "/nonexistent" };
    const deps = { stateDir: "/nonexistent", env, now: Date.now, randomId: () => "0" };
    await using driver = await dockerDriver.openReader(undefined, deps);
    return driver.resolveImage(ref, "missing");
  };
  const from = { ref, kind: "manifest", digest: DIGEST, platform: "linux/amd64" };
  expect(await ask(["127.0.0.0/8", "0.0.0.0/8"])).toEqual({ status: "absent", from });
  expect(await ask(["127.0.0.0/8"])).toMatchObject({ status: "absent", unresolved: expect.any(String) });
});
