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
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { parseReference } from "../../src/registry/reference.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import { wayTo } from "../../src/registry/way.ts";
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
  for (const name of ["http_proxy", "https_proxy", "no_proxy", "all_proxy"]) {
    vi.stubEnv(name, "");
    vi.stubEnv(name.toUpperCase(), "");
  }
});
afterEach(() => void vi.unstubAllEnvs());

const portOf = (server: Server | SecureServer): number => (server.address() as AddressInfo).port;
const viaProxy = (login = ""): void =>
  void vi.stubEnv("HTTPS_PROXY", `http://${login}127.0.0.1:${portOf(proxy)}`);

async function head(home: string): Promise<string> {
  const reference = parseReference(`${REGISTRY}/team/app:1`);
  if (reference === undefined) throw new Error("no reference");
  return (await new RegistryClient(reference, { HOME: home }, false).head("1")).digest;
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
    viaProxy("me:s%20t@");
    const token = Buffer.from("me:s t").toString("base64");
    expect(await head(await homeWith("trusts", { "own.crt": "ca.pem" }))).toBe(DIGEST);
    expect(asked).toEqual([`proxy ${REGISTRY} Basic ${token}`, "registry HEAD unknown"]);
  });

  test("shows it the certificate that lies beside the authority", async () => {
    viaProxy();
    const files = { "own.crt": "ca.pem", "me.cert": "cert.pem", "me.key": "key.pem" };
    expect(await head(await homeWith("known", files))).toBe(DIGEST);
    expect(asked.at(-1)).toBe("registry HEAD known");
  });

  test("ends at a certificate that nobody vouches for", async () => {
    viaProxy();
    await expect(head(await homeWith("doubts", {}))).rejects.toThrow(/certificate/);
  });

  test.each([
    ["no proxy is set", {}, `https://${REGISTRY}/`],
    [
      "NO_PROXY names it",
      { HTTPS_PROXY: "http://proxy.test:1", NO_PROXY: ".engine.test,engine.test" },
      `https://${REGISTRY}/`,
    ],
    [
      "it is this machine",
      { HTTPS_PROXY: "http://proxy.test:1", HTTP_PROXY: "http://proxy.test:1" },
      "http://127.0.0.1:5000/",
    ],
    ["it is this machine by name", { HTTPS_PROXY: "http://proxy.test:1" }, "https://localhost:5000/"],
  ])("is direct where %s", async (_, env, url) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expect((await wayTo(new URL(url), { HOME: folder })).agent).toBeUndefined();
  });
});
