import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseReference } from "../../src/registry/reference.ts";
import { RegistryClient } from "../../src/registry/client.ts";

const MANIFEST = JSON.stringify({ schemaVersion: 2, config: { digest: "sha256:config" } });
const DIGEST = `sha256:${createHash("sha256").update(MANIFEST).digest("hex")}`;
const TYPE = "application/vnd.oci.image.manifest.v1+json";

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

let folder: string;
let server: Server;
let address: string;
let handler: Handler;
let seen: string[];

beforeEach(async () => {
  seen = [];
  folder = await mkdtemp(join(tmpdir(), "sandkeep-client-"));
  await mkdir(join(folder, ".docker"));
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"}`);
    void handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

function client(): RegistryClient {
  const reference = parseReference(`${address}/team/app:1`);
  if (reference === undefined) throw new Error("no reference");
  return new RegistryClient(reference, { HOME: folder, PATH: "/usr/bin:/bin" }, true);
}

async function logIn(entry: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(join(folder, ".docker", "config.json"), JSON.stringify({ auths: { [address]: entry } }));
}

const PASSWORD = { auth: Buffer.from("ci:pass:word").toString("base64") };
const answer = (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": `${TYPE}; charset=utf-8`, "docker-content-digest": DIGEST });
  response.end(MANIFEST);
};
const tokens = (response: ServerResponse, more = ""): void => {
  const realm = `http://${address}/token`;
  const scope = 'scope="repository:team/app:pull"';
  response
    .writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="reg",${scope}${more}` })
    .end();
};

/** A registry that hands out a token for whoever asks with `needs` in the request. */
function bearer(accepts: (request: IncomingMessage) => Promise<boolean>): Handler {
  return async (request, response) => {
    const path = request.url ?? "";
    if (path.startsWith("/token")) {
      if (await accepts(request)) response.end(JSON.stringify({ token: "t0ken" }));
      else response.writeHead(401).end();
    } else if (request.headers.authorization === "Bearer t0ken") answer(response);
    else tokens(response);
  };
}

describe("asking a registry", () => {
  test("HEAD tells the digest; a manifest is proved by its own", async () => {
    handler = (_, response) => answer(response);
    expect(await client().head("1")).toEqual({ digest: DIGEST, mediaType: TYPE });
    expect(seen.filter((line) => !line.startsWith("GET /v2/ "))).toEqual(["HEAD /v2/team/app/manifests/1 -"]);
    expect(await client().get(DIGEST)).toEqual(JSON.parse(MANIFEST));
    await expect(client().get(`sha256:${"0".repeat(64)}`)).rejects.toMatchObject({
      code: "REGISTRY_ANSWER",
    });
  });

  test("a HEAD without a digest is made good by the manifest", async () => {
    handler = (_, response) => void response.writeHead(200, { "content-type": TYPE }).end(MANIFEST);
    expect(await client().head("1")).toEqual({ digest: DIGEST, mediaType: TYPE });
  });

  test("a token for nobody, for a password, and for an identity token", async () => {
    handler = bearer((request) => Promise.resolve(request.headers.authorization === undefined));
    expect((await client().head("1")).digest).toBe(DIGEST);
    expect(seen).toContain("GET /token?service=reg&scope=repository%3Ateam%2Fapp%3Apull -");

    await logIn(PASSWORD);
    handler = bearer((request) =>
      Promise.resolve(request.headers.authorization === `Basic ${PASSWORD.auth}`),
    );
    expect((await client().head("1")).digest).toBe(DIGEST);

    await logIn({ identitytoken: "refresh" });
    handler = bearer(async (request) => {
      const form = new URLSearchParams(await text(request));
      return form.get("grant_type") === "refresh_token" && form.get("refresh_token") === "refresh";
    });
    expect((await client().head("1")).digest).toBe(DIGEST);
  });

  test("a basic challenge", async () => {
    await logIn(PASSWORD);
    handler = (request, response) => {
      if (request.headers.authorization === `Basic ${PASSWORD.auth}`) answer(response);
      else response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    };
    expect((await client().head("1")).digest).toBe(DIGEST);
  });

  test.each([
    [401, "REGISTRY_DENIED", "denied"],
    [404, "REGISTRY_IMAGE_NOT_FOUND", "terminal"],
    [429, "REGISTRY_BUSY", "transient"],
    [503, "REGISTRY_BUSY", "transient"],
    [302, "REGISTRY_ANSWER", "transient"],
    [304, "REGISTRY_ANSWER", "transient"],
  ])("HTTP %i is %s", async (status, code, kind) => {
    handler = (_, response) => void response.writeHead(status).end();
    await expect(client().head("1")).rejects.toMatchObject({ code, kind });
  });

  test("one that is away is unreachable, and no secret is in the error", async () => {
    await logIn(PASSWORD);
    await new Promise((resolve) => server.close(resolve));
    const failed = await client()
      .head("1")
      .catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "REGISTRY_UNREACHABLE", kind: "unreachable" });
    expect(String(failed)).not.toContain("pass:word");
  });

  test("what is longer than any manifest is not read to its end", async () => {
    handler = (_, response) => {
      response.writeHead(200, { "content-type": TYPE });
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(1024 * 1024), more);
      };
      more();
    };
    await expect(client().get(DIGEST)).rejects.toThrow(/longer than any manifest/);
  });
});
