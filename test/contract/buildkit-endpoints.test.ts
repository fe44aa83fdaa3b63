// The ways to a worker, each to a real one: TLS that wants a certificate of the client, a real sshd, and an engine's own TLS.
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createServer } from "node:tls";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Bridge } from "../../src/drivers/buildkit/bridge.ts";
import { Dialer } from "../../src/drivers/buildkit/dial.ts";
import { buildkitDriver } from "../../src/drivers/buildkit/index.ts";
import type { Host } from "../../src/model/settings.ts";
import { makeCertificates } from "../support/certificates.ts";
import { describeWith } from "../support/services.ts";
import { startSshd } from "../support/sshd.ts";
import { beginBuild, endpointOf, envOf, hostAt } from "./buildkit-kit.ts";
import { realDeps } from "./harness.ts";

describeWith(["docker", "buildx"], "ways to a worker", (services) => {
  let dir = "";
  let workspace = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sandkeep-ways-"));
    workspace = join(dir, "ws");
    for (const name of ["ws", "own", "other"]) await mkdir(join(dir, name));
    await writeFile(join(workspace, "file.txt"), "here\n");
    await makeCertificates(join(dir, "own"));
    await makeCertificates(join(dir, "other"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

  const cat = async (endpoint: Host): Promise<string> => {
    await using begun = await beginBuild(services(), { dir, workspace, endpoint }, ["cat", "file.txt"]);
    return (await begun.ran).stdout;
  };
  const probe = async (host: Host) => {
    await using reader = await buildkitDriver.openReader(
      host,
      realDeps(join(dir, "state"), envOf(services(), dir)),
    );
    return await reader.probe();
  };
  const dialer = () =>
    new Dialer(endpointOf(`docker://${services().docker.socket}`), { env: {}, randomId: () => "0" });
  const pem = (folder: string, name: string) => join(dir, folder, `${name}.pem`);
  const tls = (folder: string, changes: Host["tls"] = {}): Host["tls"] => ({
    ca: pem(folder, "ca"),
    cert: pem(folder, "cert"),
    key: pem(folder, "key"),
    server_name: "engine.test",
    ...changes,
  });

  it.each(["tcp", "docker"] as const)(
    "%s:// over TLS takes who shows the right certificates, and says why it takes no other",
    async (scheme) => {
      const engine = dialer();
      await using _engine = engine;
      const dial = scheme === "tcp" ? () => engine.dial() : () => engine.engine();
      await using server = await tlsServer(join(dir, "own"), dial);
      const at = (material: Host["tls"]): Host => ({
        ...hostAt(`${scheme}://127.0.0.1:${server.port}`),
        ...(material === undefined ? {} : { tls: material }),
      });
      expect(await cat(at(tls("own")))).toBe("here\n");
      expect((await probe(at(tls("own")))).status).toBe("ready");
      const { server_name: _, ...nameless } = tls("own") ?? {};
      const { cert: __, key: ___, ...certless } = tls("own") ?? {};
      for (const [what, material, words] of [
        ["another authority", tls("own", { ca: pem("other", "ca") }), /certificate/i],
        ["another name", tls("own", { server_name: "another.test" }), /another\.test/],
        ["no name", nameless, /127\.0\.0\.1/],
        ["no certificate of its own", certless, /certificate required/i],
      ] as const) {
        const failed = expect.objectContaining({
          code: "BUILDKIT_TLS",
          message: expect.stringMatching(words),
        });
        await expect(cat(at(material)), what).rejects.toEqual(failed);
        expect(await probe(at(material)), what).toMatchObject({
          status: "unavailable",
          reasons: [{ code: "denied", message: expect.stringMatching(words) }],
        });
      }
      // This server ends the connection without a word.
      const foreign = at(tls("other", { ca: pem("own", "ca") }));
      await expect(cat(foreign)).rejects.toMatchObject({ kind: expect.stringMatching(/denied|unreachable/) });
      await expect(cat(at(undefined))).rejects.toMatchObject({ kind: "unreachable" });
    },
  );

  it("ssh:// goes through the host's own sshd by the user's key and known hosts, and says what is the matter", async () => {
    const engine = dialer();
    await using _engine = engine;
    await using bridge = await Bridge.open(() => engine.dial());
    await using sshd = await startSshd();
    const socket = bridge.address.slice("unix://".length);
    const at = (path: string): Host => hostAt(`ssh://${sshd.user}@127.0.0.1:${sshd.port}${path}`);
    const ssh = {
      target: `${sshd.user}@127.0.0.1:${sshd.port}`,
      identity_file: sshd.keyFile,
      known_hosts_file: sshd.knownHostsFile,
      strict_host_key: true,
      transport: "auto",
      folder: dir,
    } as const;
    const declared: Host = { ...hostAt(`ssh://build${socket}`), behind: { host: "build", ssh } };
    expect(await cat(declared), "by the host's own table alone").toBe("here\n");
    await mkdir(join(dir, ".ssh"), { mode: 0o700 });
    await copyFile(sshd.keyFile, join(dir, ".ssh", "id_ed25519"));
    await copyFile(sshd.knownHostsFile, join(dir, ".ssh", "known_hosts"));
    expect(await cat(at(socket))).toBe("here\n");
    const gone = await probe(at("/nonexistent/worker.sock"));
    expect(gone).toMatchObject({ status: "unavailable", reasons: [{ code: "unreachable" }] });
    await expect(cat(at("/nonexistent/worker.sock"))).rejects.toMatchObject({ kind: "unreachable" });
  });
});

/** Wants a certificate of the authority from who comes, and leads to wherever `dial` does. */
async function tlsServer(
  folder: string,
  dial: () => Promise<Duplex>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const [key, cert, ca] = await Promise.all(
    ["key", "cert", "ca"].map((name) => readFile(join(folder, `${name}.pem`))),
  );
  if (key === undefined || cert === undefined || ca === undefined) throw new Error("no certificates");
  const open = new Set<Duplex>();
  const lead = async (client: Duplex): Promise<void> => {
    const worker = await dial();
    open.add(worker);
    worker.on("error", () => client.destroy());
    worker.once("close", () => client.destroy());
    client.once("close", () => worker.destroy());
    client.pipe(worker).pipe(client);
  };
  const server = createServer(
    { key, cert, ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2", "http/1.1"] },
    (client) => {
      open.add(client);
      client.on("error", () => undefined);
      void lead(client);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const each of open) each.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}
