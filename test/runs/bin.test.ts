import { createHash } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { differencesBetween, repetitionOf } from "../../src/runs/rerun.ts";
import { Lab } from "../support/memory-fleet.ts";
import { temporaryFolder } from "../support/fleet-text.ts";
import { SANDBOX, applied, labRun } from "./ledger.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

async function program(text: string): Promise<string> {
  const path = join(temporaryFolder(), "own-tool");
  await writeFile(path, text);
  return path;
}

const V1 = "#!/bin/sh\necho version 1 && exit 3\n";
const V2 = "#!/bin/sh\necho version 2\n";

describe("a program of this machine", () => {
  it("is what the command finds, is told by its hash, and is gone afterwards", async () => {
    await using lab = new Lab();
    await applied(lab);
    const bin = await program(V1);
    const ran = await labRun(lab, ["own-tool"], { bin });
    expect(ran).toMatchObject({ stdout: "version 1\n", manifest: { exit_code: 3 } });
    expect(ran.manifest.bin).toEqual({ path: bin, name: "own-tool", bytes: V1.length, sha256: sha256(V1) });
    const without = await labRun(lab, ["own-tool"]);
    expect(without.manifest).toMatchObject({ exit_code: 127, bin: null });
  });

  it("is put there again by a rerun, which says when it is another", async () => {
    await using lab = new Lab();
    await applied(lab);
    const bin = await program(V1);
    const { manifest } = await labRun(lab, ["own-tool"], { bin });
    const same = repetitionOf(manifest, {}).request;
    expect(same).toMatchObject({ bin });
    await writeFile(bin, V2);
    const again = await labRun(lab, same.argv, same);
    expect(again.manifest.exit_code).toBe(0);
    expect(differencesBetween(manifest, again.manifest)).toEqual([
      { field: "bin", before: `own-tool ${sha256(V1)}`, now: `own-tool ${sha256(V2)}` },
    ]);
    const other = await program(V1);
    expect(repetitionOf(manifest, {}, other).request).toMatchObject({ bin: other });
  });

  it("that cannot be read begins nothing, and the ledger says why", async () => {
    await using lab = new Lab();
    await applied(lab);
    const folder = temporaryFolder();
    await mkdir(join(folder, "tool"));
    for (const bin of [join(folder, "nowhere"), join(folder, "tool")]) {
      const refused = labRun(lab, ["tool"], { bin });
      await expect(refused).rejects.toMatchObject({ code: "BIN_UNREADABLE", exitCode: 64 });
    }
    const runs = await readdir(join(lab.state().dir, "runs"));
    expect(runs).toHaveLength(2);
  });

  it("also works in a sandbox of its own, which has a place for it", async () => {
    await using lab = new Lab();
    await applied(lab);
    const bin = await program(V1);
    const { manifest } = await labRun(lab, ["own-tool"], { bin, ephemeral: { keep: true } });
    expect(manifest).toMatchObject({ exit_code: 3, bin: { sha256: sha256(V1) } });
    const kept = lab.objects().find(({ decoded }) => decoded?.address === manifest.address);
    expect(JSON.stringify(kept?.decoded?.spec)).toContain("/opt/sandkeep-program");
  });

  it("also works for a session on the host, and never touches the caller's own", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox: { ...SANDBOX, mode: "off" }, agents: { a: {} } });
    lab.env["PATH"] = process.env["PATH"] ?? "";
    const bin = await program("#!/bin/sh\necho host; exit 5\n");
    const ran = await labRun(lab, ["own-tool"], { bin });
    expect(ran).toMatchObject({ stdout: "host\n", manifest: { exit_code: 5, sandboxed: false } });
  });
});
