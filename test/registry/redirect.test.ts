import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryClient } from "../../src/registry/client.ts";
import { redirectOf } from "../../src/registry/redirect.ts";
import { parseReference } from "../../src/registry/reference.ts";

const MANIFEST = JSON.stringify({ schemaVersion: 2, config: { digest: "sha256:config" } });
const DIGEST = `sha256:${createHash("sha256").update(MANIFEST).digest("hex")}`;
const TYPE = "application/vnd.oci.image.manifest.v1+json";
const LOGIN = Buffer.from("ci:pass:word").toString("base64");
const PATH = "/v2/team/app/manifests";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A host on loopback that notes who asked for what, and with which login. */
class Host {
  readonly seen: string[] = [];
  readonly #server: Server;
  handler: Handler = (_, response) => manifest(response);

  constructor() {
    this.#server = createServer((request, response) => {
      // Whether it is there at all is asked before anything else.
      if (request.url !== "/v2/") {
        this.seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"}`);
      }
      this.handler(request, response);
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function manifest(response: ServerResponse): void {
  response.writeHead(200, { "content-type": TYPE, "docker-content-digest": DIGEST }).end(MANIFEST);
}

function to(location: string, status = 307): Handler {
  return (_, response) => void response.writeHead(status, { location }).end();
}

/** Answers only those who show this login. */
function behind(authorization: string, challenge: string, then: Handler): Handler {
  return (request, response) => {
    if (request.headers.authorization === authorization) then(request, response);
    else response.writeHead(401, { "www-authenticate": challenge }).end();
  };
}

const behindLogin = (then: Handler): Handler => behind(`Basic ${LOGIN}`, 'Basic realm="x"', then);

let folder: string;
let registry: Host;
let mirror: Host;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-redirect-"));
  registry = new Host();
  mirror = new Host();
  await Promise.all([registry.listen(), mirror.listen(), mkdir(join(folder, ".docker"))]);
  const auths = { [registry.address]: { auth: LOGIN }, [mirror.address]: { auth: LOGIN } };
  await writeFile(join(folder, ".docker", "config.json"), JSON.stringify({ auths }));
});
afterEach(async () => {
  await Promise.all([registry.close(), mirror.close()]);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

function client(): RegistryClient {
  const reference = parseReference(`${registry.address}/team/app:1`);
  if (reference === undefined) throw new Error("no reference");
  return new RegistryClient(reference, { HOME: folder, PATH: "/usr/bin:/bin" }, true);
}

describe("a registry that sends its askers elsewhere", () => {
  test.each([301, 302, 303, 307, 308])("by %i is followed, with the same method", async (status) => {
    registry.handler = (request, response) =>
      to(`http://${mirror.address}/elsewhere${request.url ?? ""}`, status)(request, response);
    expect(await client().head("1")).toEqual({ digest: DIGEST, mediaType: TYPE });
    expect(await client().get(DIGEST)).toEqual(JSON.parse(MANIFEST));
    expect(mirror.seen).toEqual([`HEAD /elsewhere${PATH}/1 -`, `GET /elsewhere${PATH}/${DIGEST} -`]);
  });

  test("has the login to itself", async () => {
    registry.handler = behindLogin(to(`http://${mirror.address}${PATH}/1`));
    mirror.handler = behindLogin((_, response) => manifest(response));
    await expect(client().head("1")).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(registry.seen).toContain(`HEAD ${PATH}/1 Basic ${LOGIN}`);
    expect(mirror.seen).toEqual([`HEAD ${PATH}/1 -`]);
  });

  test("to one that wants a token, which nobody is given too", async () => {
    registry.handler = behindLogin(to(`http://${mirror.address}${PATH}/1`));
    const challenge = `Bearer realm="http://${mirror.address}/token",service="m",scope="repository:a:pull"`;
    mirror.handler = (request, response) => {
      if (request.url?.startsWith("/token") === true) response.end(JSON.stringify({ token: "t0ken" }));
      else behind("Bearer t0ken", challenge, (_, found) => manifest(found))(request, response);
    };
    const own = client();
    expect((await own.head("1")).digest).toBe(DIGEST);
    await own.head("1");
    expect(mirror.seen).toEqual([
      `HEAD ${PATH}/1 -`,
      "GET /token?service=m&scope=repository%3Aa%3Apull -",
      `HEAD ${PATH}/1 Bearer t0ken`,
      `HEAD ${PATH}/1 Bearer t0ken`,
    ]);
  });

  test("within itself has the login where it asks for it", async () => {
    registry.handler = behindLogin((request, response) =>
      (request.url === `${PATH}/1` ? to("../../renamed/manifests/1") : () => manifest(response))(
        request,
        response,
      ),
    );
    expect((await client().head("1")).digest).toBe(DIGEST);
    expect(registry.seen).toEqual([
      `HEAD ${PATH}/1 -`,
      `HEAD ${PATH}/1 Basic ${LOGIN}`,
      "HEAD /v2/team/renamed/manifests/1 -",
      `HEAD /v2/team/renamed/manifests/1 Basic ${LOGIN}`,
    ]);
  });

  test("and back gets no login for what another host made up", async () => {
    registry.handler = behindLogin(to(`http://${mirror.address}/x`));
    mirror.handler = to(`http://${registry.address}/v2/private/manifests/1`);
    await expect(client().head("1")).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(registry.seen.filter((line) => line.includes("private"))).toEqual([
      "HEAD /v2/private/manifests/1 -",
    ]);
  });

  test("for ever is given up", async () => {
    registry.handler = to(`${PATH}/1`);
    const asked = client().head("1");
    await expect(asked).rejects.toMatchObject({ code: "REGISTRY_ANSWER" });
    await expect(asked).rejects.toThrow(/redirects more than 5 times/);
    expect(registry.seen).toHaveLength(6);
  });
});

describe("where a redirect leads", () => {
  const from = new URL("https://reg.corp/v2/app/manifests/1");
  const next = (location: string | undefined, insecure = false, status = 307): string | undefined => {
    const headers = location === undefined ? {} : { location };
    return redirectOf({ status, headers, body: Buffer.alloc(0) }, from, insecure)?.href;
  };

  test("is read against where it came from, and holds no login", () => {
    expect(next("/v2/other/manifests/1")).toBe("https://reg.corp/v2/other/manifests/1");
    expect(next("https://ci:pw@mirror.corp/x")).toBe("https://mirror.corp/x");
    expect(next("https://mirror.corp/x", false, 200)).toBeUndefined();
    expect(next("https://mirror.corp/x", false, 304)).toBeUndefined();
  });

  test("is encrypted, unless the registry is marked insecure", () => {
    expect(() => next("http://mirror.corp/x?signed=1")).toThrow(
      /http:\/\/mirror\.corp, which is not encrypted$/,
    );
    expect(next("http://mirror.corp/x", true)).toBe("http://mirror.corp/x");
    expect(() => next("file:///etc/passwd", true)).toThrow(/not encrypted/);
  });

  test.each([undefined, "https://"])("is somewhere: %s", (location) => {
    expect(() => next(location)).toThrow(/without an address/);
  });
});
