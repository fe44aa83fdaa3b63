// A host on which others write as well: what they leave there is told safely, never followed, and never taken for ours.
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { hostInspectionSchema, hostReapSchema, hostStaleSchema } from "../../src/model/host.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startSshd } from "../support/sshd.ts";
import { Project } from "./cli.ts";

const configOf = (sshd: Sshd, root: string, agents: readonly string[]): string => `[sandbox]
backend = "ssh"
host = "build1"
[sandbox.ssh]
workspace_root = "${root}"
${agents.map((name) => `[agents.${name}]`).join("\n")}
[hosts.build1]
${sshd.line}
[hosts.build1.adopt]
directories = ["*"]`;

/** Sets a window's title, clears the screen, and reverses what follows. */
const ESCAPE = "\u001b]0;owned\u0007\u001b[2J\u202e";
const quoted = (text: string): string => JSON.stringify(text).slice(1, -1);
const MOVES_A_TERMINAL = /[^\n\P{Cc}]|\p{Cf}/u;
/** In JSON a mark that only reverses text is data; a control character never stands in it. */
const CONTROL = /[^\n\P{Cc}]/u;

/** What becomes of each agent's manifest. */
const SPOILT: Readonly<Record<string, (text: string) => string>> = {
  large: () => `{"x":"${"x".repeat(3_000_000)}"}`,
  deep: (text) => text.replace('"fields":{', `"fields":{"deep":${"[".repeat(50_000)}${"]".repeat(50_000)},`),
  types: (text) => text.replace('"labels":{', '"labels":[],"was":{'),
  stranger: (text) => text.replaceAll("k3v9q2", "zzzz99"),
  escape: (text) => text.replace(/C\.UTF-8(?="[^\\])/, quoted(ESCAPE)),
};
const AGENTS = ["good", ...Object.keys(SPOILT), "link", "climb"];

async function spoil(project: Project, root: string): Promise<Readonly<Record<string, string>>> {
  const listed = await project.list();
  const objects = join(root, project.fleet, "objects");
  const places = Object.fromEntries(
    listed.map((each) => [each.address.slice("agent/".length), join(objects, each.object_id ?? "")]),
  );
  for (const [agent, change] of Object.entries(SPOILT)) {
    const file = join(places[agent] ?? "", "manifest.json");
    await writeFile(file, change(await readFile(file, "utf8")));
  }
  const victim = join(project.folder, "victim");
  await mkdir(join(victim, "workspace"), { recursive: true });
  await rename(places["link"] ?? "", join(victim, "moved"));
  await symlink(join(victim, "moved"), places["link"] ?? "");
  await rm(join(places["climb"] ?? "", "workspace"), { recursive: true });
  await symlink("../../../../victim/workspace", join(places["climb"] ?? "", "workspace"));
  await writeFile(join(root, project.fleet, "names", "climbing"), "../../../victim\n");
  await symlink(victim, join(root, project.fleet, "names", "away"));
  for (const name of ["$(touch owned)", `esc${ESCAPE}`, "new\nline", "...", "told"])
    await mkdir(join(root, name));
  await symlink(victim, join(root, "elsewhere"));
  const labels = {
    "sandkeep.fleet": ESCAPE,
    "sandkeep.address": `agent/${ESCAPE}`,
    "sandkeep.role": "primary",
  };
  const told = { format_version: 1, object_id: "../../victim", labels };
  await writeFile(join(root, "told", "manifest.json"), JSON.stringify(told));
  return places;
}

describeWith(["ssh"], "a host on which others write", () => {
  test("is told of safely; nothing is followed, and nothing goes that is not provably a sandbox", async () => {
    await using sshd = await startSshd();
    await using project = await Project.open();
    const root = join(project.folder, "sandboxes");
    await project.config(configOf(sshd, root, AGENTS));
    await project.ok("apply", "--yes");
    const places = await spoil(project, root);
    const idOf = (agent: string): string => basename(places[agent] ?? "");
    const said = async (...argv: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await project.run(argv);
      expect([argv, code]).toEqual([argv, expect.toBeOneOf([0, 3])]);
      expect(stdout + stderr).not.toMatch(argv.includes("--json") ? CONTROL : MOVES_A_TERMINAL);
      return stdout;
    };

    const statuses = (await project.list()).map((each) => `${each.address} ${each.status}`);
    expect(statuses.toSorted()).toEqual([
      "agent/climb running",
      "agent/deep unhealthy",
      "agent/escape running",
      "agent/good running",
      "agent/large unhealthy",
      "agent/link missing",
      "agent/stranger missing",
      "agent/types unhealthy",
    ]);
    await said("list");
    expect(await said("plan")).toContain("owned");
    const planned = await project.plan();
    expect(planned.blocked.map(({ address, rule }) => `${address} ${rule}`)).toEqual([
      "agent/link foreign",
      "agent/stranger foreign",
    ]);
    expect(await said("host", "inspect", "build1")).toContain("owned");
    const { snapshot } = hostInspectionSchema.parse(
      JSON.parse(await said("host", "inspect", "build1", "--json")),
    );
    expect(
      snapshot.directories
        .filter(({ kind }) => kind === "link")
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([idOf("link"), "elsewhere"].toSorted());

    const old = ["build1", "--older-than", "0"];
    await said("host", "stale", ...old);
    const { stale } = hostStaleSchema.parse(JSON.parse(await said("host", "stale", ...old, "--json")));
    // What the adopt rules take for a sandbox, whatever it says of itself.
    const told = join(root, "told");
    expect(stale.filter(({ reap }) => reap !== null).map(({ what }) => what)).toEqual([told]);
    const { entries } = hostReapSchema.parse(
      JSON.parse(await said("host", "reap", ...old, "--apply", "--json")),
    );
    const gone = entries.filter(({ status }) => status !== "kept");
    expect(gone.map(({ what, status }) => [what, status])).toEqual([[told, "removed"]]);

    await said("apply", "--yes");
    expect((await project.plan()).changes.filter(({ actions }) => actions[0] !== "no-op")).toEqual([]);
    await project.ok("destroy", "--all", "--yes");
    expect((await readdir(join(project.folder, "victim"))).toSorted()).toEqual(["moved", "workspace"]);
    expect(await readdir(join(project.folder, "victim", "moved"))).toContain("manifest.json");
    const left = [idOf("link"), idOf("stranger")].toSorted();
    expect((await readdir(join(root, project.fleet, "objects"))).toSorted()).toEqual(left);
    expect(await readdir(root)).toHaveLength(6);
  });
});
