// Folders of this machine that look old from above: what lies deep in them decides.
import { mkdir, mkdtemp, readdir, realpath, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { reap } from "../../src/hosts/reap.ts";
import { findStale } from "../../src/hosts/survey.ts";
import { loadFleet } from "../../src/policy/fleet.ts";
import { plainEngine } from "../support/plain-engine.ts";

const DAY_MS = 86_400_000;
const OLD = new Date(Date.now() - 3 * DAY_MS);

/** A file in a folder of the root; it and every folder above it are old, unless it is to be young. */
async function plant(root: string, path: string, age: Date = OLD): Promise<void> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "x");
  await utimes(file, age, age);
  for (let above = dirname(file); above !== root; above = dirname(above)) await utimes(above, OLD, OLD);
}

test(
  "a folder goes only when nothing deep in it is young, and it holds nobody's sandboxes",
  { timeout: 120_000 },
  async (context) => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-reap-")));
    context.onTestFinished(async () => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const root = join(folder, "old");
    await plant(root, "sb-gone/a/b/c/d/file");
    await plant(root, "sb-young/a/b/c/d/file", new Date());
    await plant(root, "sb-spaces/fleet/workspaces/key/file");
    await plant(root, "sb-roots/a/b/c/sandboxes/file");
    await mkdir(join(folder, ".sandkeep", "roots"), { recursive: true });
    await writeFile(join(folder, ".sandkeep", "roots", "k"), `${join(root, "sb-roots/a/b/c/sandboxes")}\n`);
    await writeFile(
      join(folder, "sandkeep.toml"),
      `version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\n[hosts.here]\ndocker = "unix:///nonexistent/docker.sock"\n[hosts.here.adopt]\nroots = ["${root}"]\ndirectories = ["sb-*"]\n`,
    );
    const engine = plainEngine(folder);
    const { cwd, env, drivers, stateDir } = engine;
    const config = await loadFleet({ cwd, env, drivers, stateDir });
    if (config.status === "invalid") throw new Error(JSON.stringify(config.diagnostics));
    const found = await findStale(engine, config, { name: "here", older_than: DAY_MS });
    const done = await reap(engine, config, found, { dryRun: false });
    const endings = done.entries.filter(({ what }) => what.startsWith(`${root}/sb-`));
    expect(
      endings
        .toSorted((a, b) => (a.what < b.what ? -1 : 1))
        .map(({ what, status, message }) => [what.slice(root.length + 1), status, message]),
    ).toEqual([
      ["sb-gone", "removed", null],
      ["sb-roots", "kept", "sandboxes of a fleet are kept in it"],
      ["sb-spaces", "kept", "it holds a folder of workspaces"],
      ["sb-young", "kept", "something deep in it is younger than what was asked for"],
    ]);
    expect((await readdir(root)).toSorted()).toEqual(["sb-roots", "sb-spaces", "sb-young"]);
  },
);
