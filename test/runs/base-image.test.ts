import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Lab } from "../support/memory-fleet.ts";
import { labRun } from "./ledger.ts";

const RESOLVED_AT = "2026-01-01T00:00:00.000Z";

/** Where nothing is made, and what a command is built from is an image. */
const builder = (): Lab => new Lab({ lifecycle: "ephemeral", capabilities: { images: true } });

async function fleet(lab: Lab, policy: string): Promise<void> {
  const docker = { image: "img:a", image_policy: policy };
  await lab.write({ sandbox: { backend: "docker", docker }, agents: { a: {} } });
}

async function lock(lab: Lab, digest: string, platform = "linux/amd64"): Promise<void> {
  const images = [{ ref: "img:a", platform, kind: "manifest", digest, resolved_at: RESOLVED_AT }];
  await writeFile(join(lab.repo, "sandkeep.lock"), JSON.stringify({ version: 1, images }));
}

const digest = (lab: Lab): string => lab.world.registry.get("img:a") ?? "";
const warnings = (lab: Lab): string[] =>
  lab.events.flatMap((event) => (event.type === "note" && event.level === "warn" ? [event.code] : []));

describe("what a command is built from", () => {
  it("missing: the worker's own affair, which nobody asks about", async () => {
    await using lab = builder();
    await fleet(lab, "missing");
    lab.world.resetCalls();
    expect((await labRun(lab, ["true"])).manifest).toMatchObject({ status: "ok", image: null });
    expect(lab.world.log.map(({ op }) => op)).not.toContain("resolveImage");
  });

  it("track: what the registry says at each command; one that is away is told, and the name is gone by", async () => {
    await using lab = builder();
    await fleet(lab, "track");
    for (const content of ["one", "two"]) {
      lab.world.moveImage("img:a", content);
      const { manifest } = await labRun(lab, ["true"]);
      expect(manifest.image).toMatchObject({ ref: "img:a", digest: digest(lab) });
    }
    expect(warnings(lab)).toEqual([]);
    lab.world.registry.clear();
    lab.world.machine().images.clear();
    expect((await labRun(lab, ["true"])).manifest).toMatchObject({ status: "ok", image: null });
    expect(warnings(lab)).toEqual(["IMAGE_UNRESOLVED"]);
  });

  it("pin: what the lock file says, and nothing where it does not say it, which a plan tells before", async () => {
    await using lab = builder();
    await fleet(lab, "pin");
    const locked = digest(lab);
    await lock(lab, locked);
    lab.world.moveImage("img:a", "two");
    expect((await labRun(lab, ["true"])).manifest.image).toMatchObject({ digest: locked });
    expect((await lab.plan()).blocked).toEqual([]);
    await lock(lab, locked, "linux/s390x");
    expect((await lab.plan()).blocked).toMatchObject([{ address: "agent/a", rule: "image" }]);
    const refused = labRun(lab, ["true"]);
    await expect(refused).rejects.toMatchObject({
      code: "IMAGE_REFUSED",
      hint: expect.stringContaining("images lock"),
    });
  });

  it("pin: never another one because the worker does not answer", async () => {
    await using lab = builder();
    await fleet(lab, "pin");
    await lock(lab, digest(lab));
    lab.world.inject({ op: "resolveImage", effect: { kind: "fail", as: "unreachable", when: "before" } });
    await expect(labRun(lab, ["true"])).rejects.toMatchObject({ kind: "unreachable" });
  });
});
