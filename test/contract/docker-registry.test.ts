import { createHash, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";

const LOGIN = "Basic " + Buffer.from("ci:pass:word").toString("base64");
const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const digestOf = (data: Buffer): string => `sha256:${createHash("sha256").update(data).digest("hex")}`;

/** A registry with one image of one layer, behind a login. */
class Registry {
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifest: Buffer;
  readonly #server: Server;
  readonly configDigest: string;

  get digest(): string {
    return digestOf(this.#manifest);
  }

  constructor() {
    const tar = Buffer.concat([randomBytes(0), Buffer.alloc(1024)]);
    const layer = gzipSync(tar);
    const config = Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Env: ["FROM=registry"] },
        rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
        history: [{ created_by: randomBytes(8).toString("hex") }],
      }),
    );
    for (const blob of [layer, config]) this.#blobs.set(digestOf(blob), blob);
    this.configDigest = digestOf(config);
    const entry = (mediaType: string, blob: Buffer) => ({
      mediaType,
      size: blob.length,
      digest: digestOf(blob),
    });
    this.#manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: entry("application/vnd.docker.container.image.v1+json", config),
        layers: [entry("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)],
      }),
    );
    this.#server = createServer((request, response) => {
      const path = request.url ?? "";
      if (request.headers.authorization !== LOGIN) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
        return;
      }
      const manifest = path.startsWith("/v2/app/manifests/") && !path.endsWith("/absent");
      const body = manifest ? this.#manifest : this.#blobs.get(path.replace("/v2/app/blobs/", ""));
      if (path === "/v2/") response.writeHead(200).end();
      else if (body === undefined) {
        const errors = [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }];
        response.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify({ errors }));
      } else {
        response.writeHead(200, {
          "content-length": body.length,
          "content-type": manifest ? MANIFEST_TYPE : "application/octet-stream",
          "docker-content-digest": digestOf(body),
        });
        response.end(request.method === "HEAD" ? undefined : body);
      }
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describeWithServices("pulling with docker", (services) => {
  let registry: Registry;
  let fleet: DockerFleet;
  let address: string;
  beforeEach(async () => {
    registry = new Registry();
    address = await registry.listen();
    fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
  });
  afterEach(async () => {
    const left = await fleet.docker("images", "-q", `${address}/app`);
    if (left !== "") await fleet.docker("rmi", "-f", ...new Set(left.split("\n")));
    await fleet[Symbol.asyncDispose]();
    await registry.close();
  });
  const logIn = async (): Promise<void> => {
    await mkdir(join(fleet.folder, ".docker"));
    const auth = Buffer.from("ci:pass:word").toString("base64");
    await writeFile(
      join(fleet.folder, ".docker", "config.json"),
      JSON.stringify({ auths: { [address]: { auth } } }),
    );
  };

  it("fetches what is missing with the docker CLI's login, and tells how far it is", async () => {
    await logIn();
    const ref = `${address}/app:1`;
    const from = { ref, kind: "manifest", digest: registry.digest, platform: "linux/amd64" };
    expect(await fleet.driver.resolveImage(ref, "missing")).toEqual({ status: "absent", from });
    const told: string[] = [];
    const fetched = await fleet.driver.fetch(ref, "missing", (message) => told.push(message));
    const { image } = fetched;
    expect(fetched).toMatchObject({ pulled: true, image_id: registry.configDigest });
    expect(image).toEqual({ ref, kind: "config", digest: registry.configDigest, platform: "linux/amd64" });
    expect(told.some((message) => message.endsWith("Pull complete"))).toBe(true);
    expect(await fleet.driver.resolveImage(ref, "missing")).toEqual({ status: "present", image });
  });

  it("fails for good without a login, or without such an image", async () => {
    const nobody = fleet.driver.fetch(`${address}/app:1`, "missing", () => undefined);
    await expect(nobody).rejects.toMatchObject({ kind: "denied", code: "DOCKER_REGISTRY_DENIED" });
    await logIn();
    const absent = fleet.driver.fetch(`${address}/app:absent`, "missing", () => undefined);
    await expect(absent).rejects.toMatchObject({ code: "DOCKER_IMAGE_NOT_FOUND" });
  });

  it("says that a registry is away, and does not retry for ever", async () => {
    await registry.close();
    const away = fleet.driver.fetch(`${address}/app:1`, "missing", () => undefined);
    await expect(away).rejects.toMatchObject({ blame: "backend", kind: "transient" });
  });
});
