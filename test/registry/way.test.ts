import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import type { Server as SecureServer } from "node:https";
import { createServer as createSecureServer } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseReference } from "../../src/registry/reference.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import { proxyFor, wayTo } from "../../src/registry/way.ts";
import { makeCertificates } from "../support/certificates.ts";

const REGISTRY = "engine.test:5443";
const DIGEST = `sha256:${"a".repeat(64)}`;

let folder: string;
let registry: SecureServer;
let proxy: Server;
/** What each side was told. */
let asked: string[];
const tunnels = new Set<Duplex>();

/** A registry that no name leads to: only through the proxy can it be reached. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-way-"));
  await makeCertificates(folder);
  const [ca, cert, key] = await Promise.all(
    ["ca.pem", "cert.pem", "key.pem"].map(async (name) => readFile(join(folder, name))),
  );
  registry = createSecureServer(
    { ca, cert, key, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { authorized } = request.socket as TLSSocket;
      asked.push(`registry ${request.method} ${authorized ? "known" : "unknown"}`);
      response.writeHead(200, { "docker-content-digest": DIGEST, "content-type": "application/json" }).end();
    },
  );
  proxy = createServer().on("connect", (request, socket) => {
    asked.push(`proxy ${request.url ?? ""} ${request.headers["proxy-authorization"] ?? "-"}`);
    const through = connect(portOf(registry), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      through.pipe(socket).pipe(through);
    });
    tunnels.add(socket);
    through.on("error", () => socket.destroy());
    socket.on("error", () => through.destroy());
  });
  await Promise.all(
    [registry, proxy].map(async (each) => new Promise<void>((up) => each.listen(0, "127.0.0.1", up))),
  );
});
afterAll(async () => {
  for (const socket of tunnels) socket.destroy();
  registry?.closeAllConnections();
  await Promise.all([registry, proxy].map(async (each) => new Promise((down) => each?.close(down))));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});
beforeEach(() => {
  asked = [];
});

const portOf = (server: Server | SecureServer): number => (server.address() as AddressInfo).port;

async function head(home: string, login = ""): Promise<string> {
  const reference = parseReference(`${REGISTRY}/team/app:1`);
  if (reference === undefined) throw new Error("no reference");
  const env = { HOME: home, HTTPS_PROXY: `http://${login}127.0.0.1:${portOf(proxy)}` };
  return (await new RegistryClient(reference, env, false).head("1")).digest;
}

async function homeWith(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const home = join(folder, name);
  const certs = join(home, ".config/docker/certs.d", REGISTRY);
  await mkdir(certs, { recursive: true });
  for (const [to, from] of Object.entries(files)) await cp(join(folder, from), join(certs, to));
  return home;
}

describe("the way to a registry", () => {
  test("goes through the proxy, and an authority of certs.d vouches for the registry", async () => {
    const token = Buffer.from("me:s t").toString("base64");
    expect(await head(await homeWith("trusts", { "own.crt": "ca.pem" }), "me:s%20t@")).toBe(DIGEST);
    expect(asked).toEqual([`proxy ${REGISTRY} Basic ${token}`, "registry HEAD unknown"]);
  });

  test("shows it the certificate that lies beside the authority", async () => {
    const files = { "own.crt": "ca.pem", "me.cert": "cert.pem", "me.key": "key.pem" };
    expect(await head(await homeWith("known", files))).toBe(DIGEST);
    expect(asked.at(-1)).toBe("registry HEAD known");
  });

  test("ends at a certificate that nobody vouches for", async () => {
    await expect(head(await homeWith("doubts", {}))).rejects.toThrow(/certificate/);
  });

  test.each(["http://127.0.0.1:5000/", "https://localhost:5000/", "https://[::1]:5000/"])(
    "is direct to this machine, %s",
    async (url) => {
      const env = { HOME: folder, HTTPS_PROXY: "http://proxy.test:1", HTTP_PROXY: "http://proxy.test:1" };
      expect((await wayTo(new URL(url), env)).agent).toBeUndefined();
    },
  );
});

describe("the proxy on the way", () => {
  const P = "http://proxy.test:1";
  test.each([
    [{}, undefined],
    [{ https_proxy: P }, P],
    [{ HTTPS_PROXY: P }, P],
    [{ HTTP_PROXY: P }, undefined],
    [{ ALL_PROXY: P }, P],
    [{ HTTPS_PROXY: "", ALL_PROXY: P }, P],
    [{ HTTPS_PROXY: "proxy.test:1" }, P],
    [{ HTTPS_PROXY: "https://proxy.test:1", ALL_PROXY: P }, "https://proxy.test:1"],
  ])("of %j is %s", (env, expected) => {
    expect(proxyFor(new URL("https://registry.engine.test:5443/v2/"), env)).toBe(expected);
  });

  test.each([
    ["https://registry.engine.test:5443", "*", true],
    ["https://registry.engine.test:5443", "other.test, registry.engine.test", true],
    ["https://registry.engine.test:5443", "REGISTRY.engine.test", true],
    ["https://registry.engine.test:5443", "engine.test", true],
    ["https://registry.engine.test:5443", ".engine.test", true],
    ["https://registry.engine.test:5443", "*.engine.test", true],
    ["https://registry.engine.test:5443", "engine.test:5443", true],
    ["https://registry.engine.test:5443", "engine.test:443", false],
    ["https://registry.engine.test", "engine.test:443", true],
    ["http://registry.engine.test", "engine.test:80", true],
    ["https://registry.engine.test:5443", "gine.test", false],
    ["https://registry.engine.test:5443", ", ,", false],
    ["https://10.0.0.1", "10.0.0.1", true],
    ["https://[fd00::1]", "fd00::1", true],
    ["https://[fd00::1]:5000", "[fd00::1]:5000", true],
    ["https://[fd00::1]:5000", "[fd00::1]:5001", false],
  ])("to %s is none where NO_PROXY is %j: %s", (url, list, direct) => {
    const env = { HTTPS_PROXY: P, HTTP_PROXY: P, NO_PROXY: list };
    expect(proxyFor(new URL(url), env)).toBe(direct ? undefined : P);
  });
});
