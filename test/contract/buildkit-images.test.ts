// Whom a worker's base image is asked of: a worker of its own over TCP, and one inside an engine, with a real registry.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Bridge } from "../../src/drivers/buildkit/bridge.ts";
import { Dialer } from "../../src/drivers/buildkit/dial.ts";
import { buildkitDriver } from "../../src/drivers/buildkit/index.ts";
import type { ReadDriver } from "../../src/drivers/driver.ts";
import { TestRegistry } from "../support/registry.ts";
import { describeWith } from "../support/services.ts";
import { endpointOf, hostAt, tcpProxy } from "./buildkit-kit.ts";
import { realDeps } from "./harness.ts";

const PLATFORM = "linux/amd64";

describeWith(["docker"], "the base image of a worker", (services) => {
  let dir = "";
  let registry: TestRegistry;
  const closing: AsyncDisposable[] = [];
  const open = async (endpoint: string): Promise<ReadDriver> => {
    const deps = realDeps(join(dir, "state"), { PATH: process.env["PATH"], HOME: dir });
    const reader = await buildkitDriver.openReader(hostAt(endpoint), deps);
    closing.unshift(reader);
    return reader;
  };
  let own: ReadDriver;
  let inEngine: ReadDriver;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sandkeep-base-"));
    registry = await TestRegistry.open(services().docker.host);
    const at = `docker://${services().docker.socket}`;
    const engine = new Dialer(endpointOf(at), { env: {}, randomId: () => "0" });
    const bridge = await Bridge.open(() => engine.dial());
    const proxy = await tcpProxy(bridge.address.slice("unix://".length));
    closing.push(proxy, bridge, engine);
    own = await open(`tcp://127.0.0.1:${proxy.port}`);
    inEngine = await open(at);
  });
  afterAll(async () => {
    for (const each of closing) await each[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  it("is the one manifest for the worker's own platform, of an index too, by the tag as it is now", async () => {
    const ref = `${registry.address}/app:1`;
    const digest = await registry.push("app:one", "one");
    await registry.pushIndex("app:1", digest, "a");
    const from = { ref, kind: "manifest", digest, platform: PLATFORM };
    expect((await own.images?.())?.platform).toBe(PLATFORM);
    for (const worker of [own, inEngine])
      expect(await worker.resolveImage(ref, "track")).toEqual({ status: "absent", from });
    expect(await own.resolveImage(ref, "missing", { platform: PLATFORM })).toEqual({
      status: "absent",
      from,
    });
    const second = await registry.push("app:1", "two");
    expect(await own.resolveImage(ref, "track")).toMatchObject({ from: { digest: second } });
    expect(await own.resolveImage(ref, "track", { platform: "linux/s390x" })).toMatchObject({
      from: { digest: second, platform: "linux/s390x" },
    });
  });

  it("missing: is asked of nobody, or of the engine around it", async () => {
    const { busybox } = services().docker.images;
    expect(await own.resolveImage(busybox, "missing")).toEqual({ status: "absent" });
    expect(await inEngine.resolveImage(busybox, "missing")).toMatchObject({ status: "present" });
  });

  it("pin: is what is known, for the worker's platform, without a registry", async () => {
    const ref = "127.0.0.1:1/nobody/listens:1";
    const locked = { ref, kind: "manifest", digest: `sha256:${"a".repeat(64)}`, platform: PLATFORM } as const;
    for (const worker of [own, inEngine]) {
      expect(await worker.resolveImage(ref, "pin", { known: [locked] })).toEqual({
        status: "absent",
        from: locked,
      });
      for (const known of [undefined, [], [{ ...locked, platform: "linux/s390x" }]])
        expect(await worker.resolveImage(ref, "pin", known === undefined ? {} : { known })).toMatchObject({
          unresolved: expect.stringContaining("nothing is known"),
        });
    }
  });

  it("track: says why the registry could not be asked, and no registry speaks for a worker that is away", async () => {
    const away = await own.resolveImage("127.0.0.1:1/nobody/listens:1", "track");
    expect(away).toEqual({ status: "absent", unresolved: expect.stringContaining("ask the registry") });
    const nobody = await open(`unix://${join(dir, "nothing.sock")}`);
    await expect(nobody.resolveImage("app:1", "track")).rejects.toMatchObject({ kind: "unreachable" });
  });

  it("an engine's own image is compared with what the registry has by what the engine would call it", async () => {
    const ref = `${registry.address}/compared:1`;
    const digest = await registry.push("compared:1", "one");
    const now = { ref, kind: "manifest", digest, platform: PLATFORM } as const;
    const there = await inEngine.resolveImage(ref, "missing", { known: [now] });
    expect(there).toMatchObject({ from: now, image: { kind: "config", platform: PLATFORM } });
  });
});
