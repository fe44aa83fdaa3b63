import { expect, it } from "vitest";
import type { Product } from "../../../src/config/import/report.ts";
import { imported } from "./scene.ts";

/** The notes above the config, each on one line. */
async function notes(name: string, text: string, from: Product): Promise<readonly string[]> {
  const written = (await imported(name, text, from)).text.replaceAll("\n#   ", " ");
  return written.split("\n").filter((line) => line.startsWith("# Note: ") && line.includes("docker.user"));
}

const bmo = (backend: string, ...args: readonly string[]) =>
  notes(
    "bmo.toml",
    `[options.sandbox]\nbackend = "${backend}"\ndocker = { image = "a", extra_args = ${JSON.stringify(args)} }`,
    "bmo",
  );

const RULE =
  "sandkeep runs it as the owner of its workspace where that is a folder of the engine's own machine, may be written " +
  "to and is not root's, and everywhere else as the image's user.";

it("BMO's containers were the image's user's, and the file says who they become", async () => {
  const [note = "", ...more] = await bmo("docker");
  expect(more).toEqual([]);
  expect(note).toContain("BMO runs a container as its image's user, who is often root");
  expect(note).toContain(`${RULE} Set sandbox.docker.user, such as "root", to change that.`);
});

it("a user that is named, or no container at all, needs no such note", async () => {
  expect(await bmo("docker", "--user", "1000")).toEqual([]);
  expect(await bmo("local")).toEqual([]);
});

it.each(["none", "ro", "rw"])(
  "FluffBuzz's were the workspace owner's, with access %s, too",
  async (access) => {
    const text = JSON.stringify({ agents: { defaults: { sandbox: { workspaceAccess: access } } } });
    const [note = ""] = await notes("f.json", text, "fluffbuzz");
    expect(note).toContain("FluffBuzz runs a sandbox as the owner of its workspace;");
    expect(note).toContain(`${RULE} Set sandbox.docker.user, such as "1000:1000", to change that.`);
  },
);
