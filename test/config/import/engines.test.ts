import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { imported, resolved } from "./scene.ts";

interface Backends {
  /** Of the defaults. */
  readonly fleet?: string;
  /** By agent; undefined is left to the defaults. */
  readonly agents: Readonly<Record<string, string | undefined>>;
}

const FLEET = {
  image: "debian:12-slim",
  memory: "1g",
  ulimits: { nofile: 1024 },
  tmpfs: ["/tmp"],
  binds: ["/srv/a:/a"],
  user: "1000:1000",
  dangerouslyAllowExternalBindSources: true,
};
const OWN = { memory: "2g", ulimits: { core: 0 }, binds: ["/srv/b:/b"], pidsLimit: 9 };

const file = ({ fleet, agents }: Backends, docker: Readonly<Record<string, unknown>> = FLEET) =>
  imported(
    "openclaw.json",
    JSON.stringify({
      agents: {
        defaults: { sandbox: { mode: "all", backend: fleet, docker } },
        entries: Object.fromEntries(
          Object.entries(agents).map(([name, backend]) => [name, { sandbox: { backend, docker: OWN } }]),
        ),
      },
    }),
    "openclaw",
  );

/** Headers of the containers' sections that are in force. */
async function sections(backends: Backends): Promise<readonly string[]> {
  const { text } = await file(backends);
  return [...text.matchAll(/^\[(.*sandbox\.(?:docker|podman))\]$/gm)].map(([, path = ""]) => path);
}

describe("the keys of docker are written to the section that sandboxes read", () => {
  it.each<[Backends, readonly string[]]>([
    [{ agents: { a: undefined } }, ["sandbox.docker", "agents.a.sandbox.docker"]],
    [{ fleet: "podman", agents: {} }, ["sandbox.podman"]],
    [{ fleet: "podman", agents: { a: undefined } }, ["sandbox.podman", "agents.a.sandbox.podman"]],
    [{ agents: { a: "podman" } }, ["sandbox.podman", "agents.a.sandbox.podman"]],
    [{ fleet: "podman", agents: { a: "docker" } }, ["sandbox.docker", "agents.a.sandbox.docker"]],
    [
      { agents: { a: "podman", b: undefined } },
      ["sandbox.docker", "sandbox.podman", "agents.a.sandbox.podman", "agents.b.sandbox.docker"],
    ],
    // No container reads a section, so the one of the defaults is as good as any.
    [{ fleet: "ssh", agents: {} }, ["sandbox.docker"]],
    [{ fleet: "${NAME}", agents: { a: "${NAME}" } }, ["sandbox.docker", "agents.a.sandbox.docker"]],
    [{ fleet: "podman", agents: { a: "${NAME}" } }, ["sandbox.podman", "agents.a.sandbox.podman"]],
  ])("%o", async (backends, expected) => {
    expect(await sections(backends)).toEqual(expected);
  });
});

async function optionsOf(agent: string, backends: Backends, docker?: Readonly<Record<string, unknown>>) {
  const { agents } = await resolved((await file(backends, docker)).text);
  const { settings } = agents.find(({ name }) => name === agent) ?? {};
  return [settings?.backend, settings?.options];
}

it("an agent gets the same of the defaults, whichever engine they and the others are on", async () => {
  const alone = await optionsOf("a", { fleet: "podman", agents: { a: undefined } });
  expect(alone).toMatchObject(["podman", { image: "debian:12-slim", pids: 9, tmpfs: ["/tmp"] }]);
  expect(await optionsOf("a", { agents: { a: "podman", b: undefined } })).toEqual(alone);
  expect(await optionsOf("a", { fleet: "docker", agents: { b: "docker", a: "podman" } })).toEqual(alone);
  const [, options] = alone;
  expect(await optionsOf("b", { agents: { a: "podman", b: undefined } })).toEqual(["docker", options]);
});

it("without any keys each engine gets the image and the limits that it has there", async () => {
  const { text } = await file({ agents: { a: "podman", b: undefined } }, {});
  expect(parse(text)["sandbox"]).toMatchObject({
    docker: { image: "openclaw-sandbox:bookworm-slim", pids: "unlimited" },
    podman: { image: "openclaw-sandbox:bookworm-slim", pids: 2048 },
  });
  expect(text.replaceAll("\n#   ", " ")).toContain("Set sandbox.docker.user and sandbox.podman.user,");
});

it("what Podman cannot do has no equal for it, and is in force for Docker where both are used", async () => {
  const docker = { ...FLEET, gpus: "all", memorySwap: -1, seccompProfile: "/srv/seccomp.json" };
  const names = ["gpus", "memorySwap", "seccompProfile"].map(
    (name) => `agents.defaults.sandbox.docker.${name}`,
  );
  const alone = await file({ fleet: "podman", agents: { a: undefined } }, docker);
  expect(alone.unmapped.map(({ key }) => key)).toEqual(names);
  const both = await file({ agents: { a: "podman", b: undefined } }, docker);
  expect(both.unmapped).toEqual([]);
  for (const name of names)
    expect(both.changed).toContainEqual(
      expect.objectContaining({
        key: name,
        to: [expect.stringMatching(/^sandbox\.docker\./)],
        note: expect.stringContaining("left out: Podman's API"),
      }),
    );
});

it("mounts are compared within the engine that an agent is on", async () => {
  const docker = { ...FLEET, workdir: "/tmp", tmpfs: [] };
  const { unmapped } = await file({ fleet: "podman", agents: { a: undefined, far: "ssh" } }, docker);
  expect(unmapped.filter(({ key }) => key.includes("workdir"))).toEqual([]);
  const taken = await file(
    { fleet: "podman", agents: { a: undefined } },
    { ...docker, tmpfs: ["/run"], binds: ["/srv/a:/run"] },
  );
  expect(taken.unmapped).toMatchObject([
    { key: expect.stringMatching(/binds$/), note: expect.stringContaining("/run") },
  ]);
});
