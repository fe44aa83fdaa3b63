// What lies beyond a gate in the tests: a name server that the engine's containers ask, and a web site on its bridge.
import { execFile } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** An image with the node that runs this test and nothing else; made once an engine. */
export const NODE_IMAGE = "sandkeep-test/node:1";

export async function importNodeImage(endpoint: string): Promise<void> {
  const held = await run("docker", ["-H", endpoint, "images", "-q", NODE_IMAGE]);
  if (held.stdout.trim() !== "") return;
  const root = await mkdtemp(join(tmpdir(), "sandkeep-node-"));
  try {
    for (const folder of ["bin", "tmp", "etc", "proc", "sys", "dev"]) await mkdir(join(root, folder));
    const node = await realpath(process.execPath);
    await copyFile(node, join(root, "bin/node"));
    const { stdout } = await run("ldd", [node]);
    const libraries = new Set(stdout.match(/\/[^\s)]+/g));
    // What the C library loads by itself to look names up.
    const libc = [...libraries].find((each) => each.includes("/libc.so"));
    for (const name of libc === undefined ? [] : ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"])
      libraries.add(join(dirname(libc ?? "/"), name));
    for (const library of libraries) {
      await mkdir(join(root, dirname(library)), { recursive: true });
      await copyFile(library, join(root, library)).catch(() => undefined);
    }
    await writeFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
    await run("sh", ["-c", 'tar -C "$0" -cf - . | docker -H "$1" import - "$2"', root, endpoint, NODE_IMAGE]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The address of the engine's machine on its bridge: reached from a gate, and from nowhere behind it. */
export async function bridgeAddress(endpoint: string): Promise<string> {
  const format = "{{(index .IPAM.Config 0).Gateway}}";
  const { stdout } = await run("docker", ["-H", endpoint, "network", "inspect", "bridge", "-f", format]);
  return stdout.trim();
}

export class EgressWorld implements AsyncDisposable {
  readonly address: string;
  /** `HOST PATH` of every request that arrived. */
  readonly hits: string[] = [];
  /** Every name that was asked for. */
  readonly asked: string[] = [];
  readonly #site: Server;
  readonly #names: Socket;

  private constructor(address: string) {
    this.address = address;
    this.#site = createServer((request, response) => {
      this.hits.push(`${request.headers.host ?? ""} ${request.url ?? ""}`);
      response.end("reached\n");
    });
    this.#names = createSocket("udp4");
    this.#names.on("message", (query, from) => {
      const answer = this.#answer(query);
      if (answer !== undefined) this.#names.send(answer, from.port, from.address);
    });
  }

  static async open(address: string): Promise<EgressWorld> {
    const world = new EgressWorld(address);
    world.#site.listen(0, address);
    world.#names.bind(53, address);
    await Promise.all([once(world.#site, "listening"), once(world.#names, "listening")]);
    return world;
  }

  get port(): number {
    const { port } = this.#site.address() as AddressInfo;
    return port;
  }

  /** Every name leads to the site, but `rebind.test`, which leads to the metadata address. */
  #answer(query: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.subarray(at + 1, at + 1 + length).toString());
      at += length + 1;
    }
    const name = labels.join(".").toLowerCase();
    this.asked.push(name);
    const question = query.subarray(12, at + 5);
    const isA = query.readUInt16BE(at + 1) === 1;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x81_80, 2);
    header.writeUInt16BE(isA ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    if (!isA) return Buffer.concat([header, question]);
    const to = (name === "rebind.test" ? "169.254.169.254" : this.address).split(".").map(Number);
    return Buffer.concat([header, question, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...to])]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#site.closeAllConnections();
    await Promise.all([
      new Promise((resolve) => this.#site.close(resolve)),
      new Promise<void>((resolve) => this.#names.close(() => resolve())),
    ]);
  }
}
