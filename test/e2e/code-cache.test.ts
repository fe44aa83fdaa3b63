import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

test("a command that tunes V8 while it runs leaves code that its next start takes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sandkeep-cache-"));
  try {
    const cli = join(folder, "dist/src/cli");
    await mkdir(cli, { recursive: true });
    for (const name of ["main.cjs", "program.cjs"])
      await cp(join(ROOT, "dist/src/cli", name), join(cli, name));
    await cp(join(ROOT, "package.json"), join(folder, "package.json"));
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    await writeFile(
      join(folder, "sandkeep.toml"),
      'version = 1\nfleet = "cached"\n[sandbox]\nbackend = "local"\n',
    );
    const env = { PATH: process.env["PATH"], HOME: folder, SANDKEEP_STATE_DIR: join(folder, "state") };
    const apply = async (): Promise<number> => {
      await promisify(execFile)(process.execPath, [join(cli, "main.cjs"), "apply", "--yes"], {
        cwd: folder,
        env,
      });
      const caches = (await readdir(cli)).filter((name) => name.endsWith(".cache"));
      expect(caches).toHaveLength(1);
      return (await stat(join(cli, caches[0] ?? ""))).ino;
    };
    const kept = await apply();
    expect(await apply()).toBe(kept);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
