import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFile,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { create, Header } from "tar";
import { describe, expect, it } from "vitest";
import { bundleManifestSchema } from "../../src/model/bundle.ts";
import { doctorSchema } from "../../src/model/doctor.ts";
import type { BundleRequest } from "../../src/runs/bundle.ts";
import { bundleRun } from "../../src/runs/bundle.ts";
import { selectRun } from "../../src/runs/select.ts";
import { verifyBundle } from "../../src/runs/verify-bundle.ts";
import { Lab } from "../support/memory-fleet.ts";
import { temporaryFolder } from "../support/fleet-text.ts";
import { applied, labRun } from "./ledger.ts";

interface Made {
  readonly output: string;
  readonly folder: string;
  readonly id: string;
}

async function bundled(lab: Lab, more: Partial<BundleRequest> = {}): Promise<Made> {
  await applied(lab);
  const { manifest } = await labRun(lab, ["sh", "-c", "echo out && complain err && exit 3"]);
  const run = await selectRun(lab.state(), { latest: true }, { cwd: "/", now: lab.time.now() });
  const output = more.output ?? temporaryFolder();
  const made = await bundleRun(lab.engine(), {
    state: lab.state(),
    run,
    place: {},
    config: true,
    includeEnv: false,
    includeIndexState: false,
    includeDoctor: false,
    archive: false,
    verify: true,
    strict: true,
    ...more,
    output,
  });
  expect(made.verification).toMatchObject({ ok: true, issues: [], unexpected_artifacts: [] });
  expect(made.run_id).toBe(manifest.run_id);
  return { output, folder: made.bundle, id: made.run_id };
}

async function editManifest(
  folder: string,
  edit: (manifest: Record<string, unknown>) => void,
): Promise<void> {
  const path = join(folder, "manifest.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  edit(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

describe("a bundle", () => {
  it("holds the run, its output, and the plan and explanation of the moment, each with size and hash", async () => {
    await using lab = new Lab();
    await mkdir(join(lab.stateDir(), "fleets", "other", "locks"), { recursive: true });
    await writeFile(join(lab.stateDir(), "fleets", "other", "locks", "strange"), "of another fleet");
    const everything = { includeEnv: true, includeIndexState: true, includeDoctor: true };
    const { folder, output } = await bundled(lab, everything);
    const doctor = doctorSchema.parse(JSON.parse(await readFile(join(folder, "doctor.json"), "utf8")));
    expect(doctor).toMatchObject({ fix: false, findings: [], fleet: "team" });
    const manifest = bundleManifestSchema.parse(
      JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")),
    );
    expect(manifest.run).toMatchObject({ exit_code: 3 });
    expect(manifest.notes).toEqual([]);
    expect(manifest.artifact_metadata.map(({ path }) => path)).toEqual([
      "doctor.json",
      "env.json",
      "explain.json",
      "index-state.json",
      "logs",
      "logs/stderr.log",
      "logs/stdout.log",
      "logs/times.idx",
      "plan.json",
    ]);
    const logs = manifest.artifact_metadata.find(({ path }) => path === "logs");
    expect(logs).toMatchObject({ kind: "directory", file_count: 3 });
    const sum = createHash("sha256").update("out\n").digest("hex");
    expect(manifest.artifact_metadata.find(({ path }) => path === "logs/stdout.log")).toEqual({
      path: "logs/stdout.log",
      kind: "file",
      bytes: 4,
      file_count: 1,
      sha256: sum,
    });
    expect(await readdir(output)).toHaveLength(1);
  });

  it("is not written over, and leaves nothing half made", async () => {
    await using lab = new Lab();
    const { folder, output } = await bundled(lab);
    const again = bundled(lab, { output: join(output, "other") });
    await again;
    await rm(folder, { recursive: true });
    await writeFile(folder, "in the way");
    const run = await selectRun(lab.state(), { target: (await again).id }, { cwd: "/", now: 0 });
    const request = {
      state: lab.state(),
      place: {},
      config: false,
      includeEnv: false,
      includeIndexState: false,
      includeDoctor: false,
    };
    const more = { archive: false, verify: false, strict: false, run, output: join(output, "other") };
    await expect(bundleRun(lab.engine(), { ...request, ...more })).rejects.toMatchObject({
      code: "BUNDLE_EXISTS",
    });
    expect((await readdir(join(output, "other"))).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("is one tar of the same bytes, whatever the disk does, and is verified as it lies there", async () => {
    await using lab = new Lab();
    const { folder, output, id } = await bundled(lab, { archive: true });
    expect(await readdir(output)).toEqual([`${id}.tar`]);
    const [one, two] = [temporaryFolder(), temporaryFolder()];
    for (const place of [one, two]) execFileSync("tar", ["-xf", folder, "-C", place]);
    expect(await verifyBundle(join(one, id), true)).toMatchObject({ ok: true });
    execFileSync("touch", ["-d", "2001-01-01", join(two, id, "plan.json")]);
    const names = execFileSync("tar", ["-tf", folder]).toString().trim().split("\n");
    const packed = await Promise.all(
      [one, two].map(async (cwd) => {
        await create(
          { portable: true, noMtime: true, noDirRecurse: true, cwd, file: join(cwd, "x.tar") },
          names,
        );
        return await readFile(join(cwd, "x.tar"));
      }),
    );
    expect(packed[0]?.equals(await readFile(folder))).toBe(true);
    expect(packed[1]?.equals(await readFile(folder))).toBe(true);
  });
});

describe("a bundle that is not as it was made", () => {
  it.each<[string, (folder: string) => Promise<unknown>, string, readonly string[]]>([
    ["a changed byte", (f) => writeFile(join(f, "logs/stdout.log"), "OUT\n"), "logs", ["sha256"]],
    ["a changed byte", (f) => writeFile(join(f, "logs/stdout.log"), "OUT\n"), "logs/stdout.log", ["sha256"]],
    ["more bytes", (f) => appendFile(join(f, "plan.json"), "\n"), "plan.json", ["bytes"]],
    ["less bytes", (f) => truncate(join(f, "plan.json"), 1), "plan.json", ["bytes"]],
    ["a removed file", (f) => rm(join(f, "logs/stderr.log")), "logs/stderr.log", ["exists"]],
    ["a removed file", (f) => rm(join(f, "logs/stderr.log")), "logs", ["bytes", "file_count"]],
    ["a removed folder", (f) => rm(join(f, "logs"), { recursive: true }), "logs", ["exists"]],
    [
      "a folder for a file",
      async (f) => (await rm(join(f, "plan.json")), mkdir(join(f, "plan.json"))),
      "plan.json",
      ["kind"],
    ],
    [
      "a renamed file in a folder",
      (f) => rename(join(f, "logs/stdout.log"), join(f, "logs/a.log")),
      "logs",
      ["sha256"],
    ],
    [
      "a link for a file",
      async (f) => (await rm(join(f, "plan.json")), symlink("/etc/passwd", join(f, "plan.json"))),
      "plan.json",
      ["exists", "kind"],
    ],
    ["a link out of it", (f) => symlink("/", join(f, "root")), "root", ["kind"]],
    ["no manifest", (f) => rm(join(f, "manifest.json")), "manifest.json", ["manifest"]],
    ["a torn manifest", (f) => truncate(join(f, "manifest.json"), 100), "manifest.json", ["manifest"]],
    [
      "a manifest that points out of it",
      (f) =>
        editManifest(f, (manifest) => {
          manifest["artifact_metadata"] = [
            { path: "../../etc/passwd", kind: "file", bytes: 1, file_count: 1 },
          ];
        }),
      "../../etc/passwd",
      ["path"],
    ],
  ])("%s is told by path and field", async (_title, spoil, path, fields) => {
    await using lab = new Lab();
    const { folder } = await bundled(lab);
    await spoil(folder);
    const verification = await verifyBundle(folder, false);
    expect(verification.ok).toBe(false);
    expect(verification.issues.filter((each) => each.path === path).map((each) => each.field)).toEqual(
      fields,
    );
  });

  it("may hold more, which only the strict mind", async () => {
    await using lab = new Lab();
    const { folder } = await bundled(lab);
    await writeFile(join(folder, "notes.txt"), "mine");
    expect(await verifyBundle(folder, false)).toMatchObject({
      ok: true,
      unexpected_artifacts: ["notes.txt"],
    });
    expect(await verifyBundle(folder, true)).toMatchObject({ ok: false, issues: [] });
  });

  it("with a manifest that lists nothing proves nothing of what lies beside it", async () => {
    await using lab = new Lab();
    const { folder } = await bundled(lab);
    await editManifest(folder, (manifest) => {
      manifest["artifact_metadata"] = [];
    });
    expect(await verifyBundle(folder, true)).toMatchObject({
      ok: false,
      checked: 0,
      unexpected_artifacts: expect.arrayContaining(["logs", "logs/stdout.log", "plan.json"]),
    });
  });

  it("without hashes is still checked for what it has", async () => {
    await using lab = new Lab();
    const { folder } = await bundled(lab);
    await editManifest(folder, (manifest) => {
      const all = manifest["artifact_metadata"] as { sha256?: string }[];
      for (const each of all) delete each.sha256;
    });
    expect(await verifyBundle(folder, true)).toMatchObject({ ok: true });
    await writeFile(join(folder, "logs/stdout.log"), "OUT\n");
    expect(await verifyBundle(folder, true)).toMatchObject({ ok: true });
    await appendFile(join(folder, "logs/stdout.log"), "!");
    expect((await verifyBundle(folder, true)).issues.map((each) => each.field)).toEqual(["bytes", "bytes"]);
  });

  it("of another version is not judged", async () => {
    await using lab = new Lab();
    const { folder } = await bundled(lab);
    await editManifest(folder, (manifest) => {
      manifest["bundle_format_version"] = 2;
    });
    expect(await verifyBundle(folder, false)).toMatchObject({
      ok: false,
      version_check: { ok: false, found: 2, supported: [1] },
      issues: [],
    });
  });
});

describe("an archive from somebody else", () => {
  interface Extra {
    readonly path: string;
    readonly type?: "File" | "SymbolicLink" | "Link" | "CharacterDevice";
    readonly link?: string;
    readonly content?: string;
  }

  function entryOf({ path, type = "File", link, content = "" }: Extra): Buffer {
    const header = new Header({
      path,
      type,
      mode: 0o644,
      size: content.length,
      ...(link === undefined ? {} : { linkpath: link }),
    });
    const block = Buffer.alloc(512);
    header.encode(block, 0);
    const padded = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    padded.write(content);
    return Buffer.concat([block, padded]);
  }

  /** A good archive with further entries; `ID` stands for its folder. */
  async function withEntries(lab: Lab, extras: readonly Extra[]): Promise<string> {
    const { folder, id } = await bundled(lab, { archive: true });
    const own = (text: string): string => text.replace("ID", id);
    const more = extras.map((each) => entryOf({ ...each, path: own(each.path) }));
    const bytes = await readFile(folder);
    const file = join(temporaryFolder(), "made.tar");
    await writeFile(file, Buffer.concat([...more, bytes]));
    return file;
  }

  it("is as it was made when nobody touched it, however it was packed", async () => {
    await using lab = new Lab();
    const { folder, output, id } = await bundled(lab);
    const file = join(temporaryFolder(), "packed.tar");
    execFileSync("tar", ["-cf", file, "-C", output, id]);
    expect(await verifyBundle(file, true)).toMatchObject({ ok: true, bundle: file });
    expect(await verifyBundle(folder, true)).toMatchObject({ ok: true });
  });

  it.each<[string, Extra]>([
    ["a link", { path: "ID/link", type: "SymbolicLink", link: "/etc/passwd" }],
    ["a hard link", { path: "ID/hard", type: "Link", link: "ID/plan.json" }],
    ["a device", { path: "ID/null", type: "CharacterDevice" }],
    ["a path upwards", { path: "ID/../../evil", content: "x" }],
    ["an absolute path", { path: "/tmp/evil", content: "x" }],
    ["a file that another of its name hides", { path: "ID/plan.json", content: "{}" }],
  ])("with %s is not as it was made", async (_title, extra) => {
    await using lab = new Lab();
    const { ok, issues } = await verifyBundle(await withEntries(lab, [extra]), false);
    expect(ok).toBe(false);
    expect(issues.map(({ field }) => field)).toContain("kind");
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ["compressed", (bytes) => gzipSync(bytes)],
    ["no archive", () => Buffer.from("x".repeat(5_000))],
    ["cut off", (bytes) => bytes.subarray(0, 700)],
    ["empty", () => Buffer.alloc(0)],
  ])("that is %s proves nothing", async (_title, spoil) => {
    await using lab = new Lab();
    const { folder } = await bundled(lab, { archive: true });
    await writeFile(folder, spoil(await readFile(folder)));
    expect(await verifyBundle(folder, false)).toMatchObject({ ok: false, version_check: { ok: false } });
  });

  it("is not there at all: that is told", async () => {
    await expect(verifyBundle("/nonexistent/bundle", false)).rejects.toMatchObject({
      code: "NO_BUNDLE",
      exitCode: 64,
    });
  });
});
