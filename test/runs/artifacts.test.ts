import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { artifactFault } from "../../src/config/artifact-glob.ts";
import type { RunArtifacts } from "../../src/model/artifacts.ts";
import type { ArtifactPlace } from "../../src/runs/artifacts.ts";
import { collectArtifacts, listArtifacts } from "../../src/runs/artifacts.ts";
import { runFolder } from "../../src/runs/layout.ts";
import { Lab } from "../support/memory-fleet.ts";
import { temporaryFolder } from "../support/fleet-text.ts";
import { applied, labRun } from "./ledger.ts";

interface Collected {
  readonly told: RunArtifacts;
  readonly kept: readonly string[];
  readonly runFolder: string;
}

interface Limits {
  readonly mostBytes?: number;
  readonly secrets?: readonly string[];
  readonly stateDir?: string;
}

async function collect(place: ArtifactPlace, globs: string[], limits: Limits = {}): Promise<Collected> {
  const folder = temporaryFolder();
  const { mostBytes = 1_000_000, secrets = [], stateDir = "/nowhere" } = limits;
  const told = await collectArtifacts({ globs, place, runFolder: folder, mostBytes, secrets, stateDir });
  // There as a whole or not at all: nothing half-made stays.
  expect((await readdir(folder)).filter((name) => name !== "artifacts")).toEqual([]);
  return { told, kept: (await listArtifacts(folder)).map(({ path }) => path), runFolder: folder };
}

async function workspace(files: Readonly<Record<string, string>>): Promise<ArtifactPlace & { at: "folder" }> {
  const folder = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return { at: "folder", folder };
}

const FILES = {
  "out/report.xml": "<ok/>",
  "out/deep/er/log.txt": "log",
  "out/.hidden": "h",
  "a.log": "a",
  "sub/b.log": "b",
  "src/main.ts": "code",
};

describe("artifacts of a workspace on this machine", () => {
  it.each([
    [["out/**"], ["out/.hidden", "out/deep/er/log.txt", "out/report.xml"]],
    [["out"], ["out/.hidden", "out/deep/er/log.txt", "out/report.xml"]],
    [["./out/report.xml"], ["out/report.xml"]],
    [["*.log"], ["a.log"]],
    [
      ["**/*.log", "out/*.xml"],
      ["a.log", "out/report.xml", "sub/b.log"],
    ],
    [["nowhere/**", "a.log/b"], []],
  ])("are what %j names", async (globs, expected) => {
    const { told, kept } = await collect(await workspace(FILES), globs);
    expect(kept).toEqual(expected);
    expect(told).toMatchObject({ file_count: expected.length, left_out_count: 0, error: null });
  });

  it("are copied as they are, and stay executable", async () => {
    const place = await workspace({ "out/tool": "#!/bin/sh\n" });
    await chmod(join(place.folder, "out/tool"), 0o755);
    const { runFolder: folder, told } = await collect(place, ["out/**"]);
    const copy = join(folder, "artifacts/out/tool");
    expect(await readFile(copy, "utf8")).toBe("#!/bin/sh\n");
    expect((await stat(copy)).mode & 0o777).toBe(0o700);
    expect(told.bytes).toBe(10);
  });

  it("are never what a link leads to, nor what no file is", async () => {
    const outside = await workspace({ secret: "outside", "folder/deep": "outside" });
    const place = await workspace({ "out/real": "real" });
    const at = (path: string): string => join(place.folder, path);
    await symlink(join(outside.folder, "secret"), at("out/link"));
    await symlink(join(outside.folder, "folder"), at("out/away"));
    await symlink(join(outside.folder, "folder"), at("linked"));
    execFileSync("mkfifo", [at("out/pipe")]);
    const { kept, told } = await collect(place, ["out/**", "linked/**", "linked/deep"]);
    expect(kept).toEqual(["out/real"]);
    expect(told.left_out).toEqual([
      { path: "linked", why: "it is, or lies behind, a link" },
      { path: "out/away", why: "it is a link" },
      { path: "out/link", why: "it is a link" },
      { path: "out/pipe", why: "it is no file" },
    ]);
  });

  it("are bounded, and what does not fit is named", async () => {
    const place = await workspace({
      "out/1": "x".repeat(60),
      "out/2": "x".repeat(60),
      "out/3": "x".repeat(40),
    });
    const { kept, told } = await collect(place, ["out"], { mostBytes: 100 });
    expect(kept).toEqual(["out/1", "out/3"]);
    expect(told).toMatchObject({ bytes: 100, left_out_count: 1, left_out: [{ path: "out/2" }] });
  });

  it("are not what holds a secret, and not sandkeep's own state", async () => {
    const place = await workspace({ "out/env": "A=hunter2\n", "out/fine": "***", "state/fleets/x": "x" });
    const limits = { secrets: ["hunter2"], stateDir: join(place.folder, "state") };
    const { kept, told, runFolder: folder } = await collect(place, ["**"], limits);
    expect(kept).toEqual(["out/fine"]);
    expect(told.left_out).toEqual([{ path: "out/env", why: "it holds a secret" }]);
    expect(await readdir(join(folder, "artifacts/out"))).toEqual(["fine"]);
  });
});

describe("artifacts of a runtime", () => {
  it("come through its driver, are recorded with the run, and those of the config with them", async () => {
    await using lab = new Lab();
    await applied(lab, { runs: { artifacts: ["out/**"] } });
    const argv = ["sh", "-c", "write out/a one && write b.log two && write other three && exit 3"];
    const { manifest } = await labRun(lab, argv, { artifacts: ["*.log"] });
    expect(manifest).toMatchObject({
      exit_code: 3,
      artifacts: { globs: ["out/**", "*.log"], file_count: 2, bytes: 8, left_out: [], error: null },
    });
    const folder = runFolder(lab.state(), manifest.run_id);
    expect(await listArtifacts(folder)).toEqual([
      { path: "b.log", bytes: 4 },
      { path: "out/a", bytes: 4 },
    ]);
  });

  it("that cannot be had change nothing about how the run ended", async () => {
    await using lab = new Lab();
    await applied(lab);
    lab.world.inject({
      op: "getFiles",
      times: Infinity,
      effect: { kind: "fail", when: "before", as: "unreachable", message: "gone" },
    });
    const { manifest } = await labRun(lab, ["exit", "4"], { artifacts: ["out/**"] });
    expect(manifest).toMatchObject({ exit_code: 4, status: "failed", artifacts: { file_count: 0 } });
    expect(manifest.artifacts?.error).toContain("gone");
    expect(lab.events.at(-1)).toMatchObject({ code: "ARTIFACTS_LEFT_OUT" });
  });
});

it.each(["/etc/passwd", "../x", "a/../../x", "", "~/x", "a//b", "{a,b}", "a**b**c**"])(
  "%j is no glob of artifacts",
  (glob) => expect(artifactFault(glob)).toBeDefined(),
);
