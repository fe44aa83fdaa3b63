// What is handed to programs: the command's script, the Dockerfile, and the clients' arguments.
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildctl } from "../../../src/drivers/buildkit/buildctl.ts";
import { buildxDocker, buildxRemote } from "../../../src/drivers/buildkit/buildx.ts";
import { commandScript, dockerfile } from "../../../src/drivers/buildkit/dockerfile.ts";
import { parseEndpoint } from "../../../src/drivers/buildkit/endpoint.ts";

const spec = {
  workspace: { source: "/src", access: "rw", target: "/workspace" },
  env: { LANG: "C.UTF-8" },
  setup: ["apk add git"],
  buildkit: { image: "img:1", network: "none" },
} as const;

const job = {
  address: "unix:///b/worker.sock",
  folder: "/b",
  nonce: "00ff",
  context: "/src",
  network: "none",
  secret: "SECRET",
  input: [],
} as const;

describe("the command's script", () => {
  it("gives a shell exactly the words and variables, whatever is in them", () => {
    const word = fc
      .string({ unit: "binary", maxLength: 12 })
      .filter((text) => !/[\0\uD800-\uDFFF]/.test(text));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), word, (words, value) => {
        const print = 'printf "%s\\0" "$V" "$@"';
        const script = commandScript({
          argv: ["sh", "-c", print, "sh", ...words],
          env: { V: value },
          cwd: "/",
        });
        const out = execFileSync("/bin/sh", [], { input: script, env: { PATH: process.env["PATH"] } });
        expect(out.toString().split("\0").slice(0, -1)).toEqual([value, ...words]);
      }),
      { numRuns: 40 },
    );
  });
});

describe("the Dockerfile", () => {
  it("has neither the command nor a variable of it, one step of its own, and cached setup below the workspace", () => {
    const text = dockerfile({
      spec: { ...spec, setup: [...spec.setup] },
      nonce: "00ff",
      workspace: ".",
      inputs: 0,
    });
    const lines = text.trimEnd().split("\n");
    expect(lines.map((line) => line.slice(0, 34))).toEqual([
      "FROM img:1 AS run",
      "USER 0",
      'RUN ["/bin/sh","-c","export LANG=\'',
      "WORKDIR /workspace",
      "COPY . .",
      "RUN --mount=type=secret,id=sandkee",
      "FROM scratch",
      "COPY --from=run /.sandkeep /.sandk",
      "COPY --from=run /workspace /tree",
    ]);
    expect(lines[5]).toContain(": 00ff");
  });

  it("has each part of the input as a secret of its own, which every client is told of", () => {
    const text = dockerfile({ spec: { ...spec, setup: [] }, nonce: "00ff", workspace: ".", inputs: 2 });
    expect(text).toContain(
      "--mount=type=secret,id=sandkeep-input-1,target=/run/sandkeep/input/1,required=true",
    );
    expect(text).toContain("cat /run/sandkeep/input/0 /run/sandkeep/input/1 | (. ");
    for (const client of [buildctl, buildxRemote, buildxDocker]) {
      const { args } = client.build({ ...job, input: ["input-0", "input-1"] });
      expect(args.filter((_, nth) => args[nth - 1] === "--secret")).toEqual([
        "id=sandkeep,env=SECRET",
        "id=sandkeep-input-0,src=input-0",
        "id=sandkeep-input-1,src=input-1",
      ]);
    }
  });

  it("sends nothing without access, and exports no tree that nothing may come back of", () => {
    const text = (access: "none" | "ro"): string =>
      dockerfile({
        spec: { ...spec, setup: [], workspace: { access, target: "/w" } },
        nonce: "0",
        workspace: ".",
        inputs: 0,
      });
    expect([text("none").includes("COPY . ."), text("none").includes("/tree")]).toEqual([false, false]);
    expect([text("ro").includes("COPY . ."), text("ro").includes("/tree")]).toEqual([true, false]);
  });
});

describe("the clients", () => {
  it("buildctl sends each folder under a name of the run's own", () => {
    const { args } = buildctl.build(job);
    expect(args.join(" ")).toBe(
      "--addr unix:///b/worker.sock build --progress rawjson --frontend dockerfile.v0 --local dockerfile-00ff=/b --opt dockerfilekey=dockerfile-00ff --local ws-00ff=/src --opt context:ws=local:ws-00ff --opt force-network-mode=none --secret id=sandkeep,env=SECRET --output type=tar,dest=-",
    );
    expect(buildctl.build({ ...job, nonce: "11ee" }).args).not.toContain("ws-00ff=/src");
    expect(buildctl.workspace).toBe("--from=ws .");
  });

  it("docker buildx keeps its builder, and so its identity, in the run's own folder", () => {
    const { args, env } = buildxRemote.build(job);
    expect(env["BUILDX_CONFIG"]).toBe("/b/buildx");
    expect(Object.keys(env)).toContain("SOURCE_DATE_EPOCH");
    expect(args.join(" ")).toBe(
      "build --builder sandkeep --progress rawjson --network none --secret id=sandkeep,env=SECRET --file /b/Dockerfile --output type=tar,dest=- /src",
    );
    expect(buildxRemote.prepare(job)?.args.join(" ")).toBe(
      "create --name sandkeep --driver remote unix:///b/worker.sock",
    );
  });

  it("docker buildx asks an engine by the address alone, in a folder of the run's own", () => {
    const { args, env } = buildxDocker.build(job);
    expect(args.slice(0, 3)).toEqual(["build", "--builder", "default"]);
    expect(env).toMatchObject({ BUILDX_CONFIG: "/b/buildx", DOCKER_HOST: "unix:///b/worker.sock" });
    expect(Object.keys(env)).toContain("DOCKER_CONTEXT");
    expect(buildxDocker.prepare(job)).toBeUndefined();
  });

  it("bounds a cache by age and size", () => {
    const bounds = { max_age: 3_600_000, max_size: 5_000_000_000 };
    expect(buildctl.prune(job, bounds).map(({ args }) => args.join(" "))).toEqual([
      "--addr unix:///b/worker.sock prune --all --keep-duration 3600s",
      "--addr unix:///b/worker.sock prune --all --keep-storage 5000",
    ]);
    expect(buildctl.prune(job, { max_size: 1 }).map(({ args }) => args.slice(-2))).toEqual([
      ["--keep-storage", "1"],
    ]);
    expect(buildxRemote.prune(job, bounds).map(({ args }) => args.join(" "))).toEqual([
      "prune --builder sandkeep --force --all --filter until=3600s",
      "prune --builder sandkeep --force --all --keep-storage 5000000000",
    ]);
    expect([buildctl.prune(job, {}), buildxRemote.prune(job, {})]).toEqual([[], []]);
  });

  it("tell their versions", () => {
    expect(buildxRemote.version("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n")).toEqual({
      version: "0.13.1+ds1",
    });
    expect(buildxRemote.version("github.com/docker/buildx v0.9.1 ed00243\n")?.tooOld).toBe("0.13");
    expect(buildctl.version("buildctl github.com/moby/buildkit v0.32.0 abc\n")).toEqual({
      version: "0.32.0",
    });
    expect(buildctl.version("")).toBeUndefined();
  });
});

describe("endpoints", () => {
  it.each([
    ["unix:///run/b.sock", { kind: "unix", socket: "/run/b.sock" }],
    ["tcp://build:1234", { kind: "tcp", host: "build", port: 1234 }],
    ["tcp://[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
    ["docker://", { kind: "docker", engine: { kind: "unix", socket: "/var/run/docker.sock" } }],
    ["docker:///d.sock", { kind: "docker", engine: { kind: "unix", socket: "/d.sock" } }],
    ["docker://build:2376", { kind: "docker", engine: { kind: "tcp", host: "build", port: 2376 } }],
    [
      "ssh://ci@build:22/b.sock",
      { kind: "ssh", to: { user: "ci", host: "build", port: 22 }, socket: "/b.sock" },
    ],
    ["ssh://build", { kind: "ssh", to: { host: "build" }, socket: "/run/buildkit/buildkitd.sock" }],
  ])("%s", (written, meant) => {
    expect(parseEndpoint(written)).toEqual(meant);
  });

  it.each([
    "",
    "build:1234",
    "tcp://build",
    "tcp://u:p@build:1",
    "unix://b.sock",
    "ssh://-oProxy=x",
    "http://b:1",
  ])("%j is none", (written) => {
    expect(parseEndpoint(written)).toBeUndefined();
  });
});
