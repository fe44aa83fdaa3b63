import { expect, test } from "vitest";
import { pruneImages } from "../../src/apply/image-prune.ts";
import type { PrunedImage } from "../../src/model/images.ts";
import { recordPulled } from "../../src/state/pulled-images.ts";
import { Lab } from "../support/memory-fleet.ts";

/** What becomes of an image that was pulled as `ref` and that its engine lists by `names`. */
async function pruned(
  ref: string,
  names: readonly string[],
  dry_run = true,
): Promise<PrunedImage | undefined> {
  await using lab = new Lab({
    images: { "img:a": "a1", ...Object.fromEntries(names.map((name) => [name, "x"])) },
  });
  await lab.write({ sandbox: { backend: "docker", docker: { image: "img:a" } }, agents: { a: {} } });
  const machine = lab.world.machine();
  const image_id = machine.images.get(names[0] ?? "") ?? "";
  const place = { backend: "docker", host: machine.host, engine_id: machine.host };
  await recordPulled(lab.state(), { ...place, image_id, ref }, 0);
  const answer = await pruneImages(lab.engine(), { dry_run });
  if (answer.status !== "pruned") throw new Error(JSON.stringify(answer));
  const left = names.some((name) => machine.images.has(name));
  expect(left).toBe(dry_run || answer.prune.images[0]?.status !== "removed");
  return answer.prune.images[0];
}

test.each([
  ["docker.io/library/node:22", "node:22"],
  ["node:22", "docker.io/library/node:22"],
  ["node", "docker.io/library/node:latest"],
  ["team/app:1", "docker.io/team/app:1"],
  ["index.docker.io/team/app", "team/app:latest"],
  ["ghcr.io/team/app", "ghcr.io/team/app:latest"],
])("%s is what an engine lists as %s", async (ref, name) => {
  expect(await pruned(ref, [name])).toMatchObject({ refs: [ref], status: "would_remove" });
  expect(await pruned(ref, [name], false)).toMatchObject({ status: "removed" });
});

test.each([
  ["node:22", "node:23"],
  ["node:22", "localhost/node:22"],
  ["docker.io/library/node:22", "team/node:22"],
])("%s is kept for who named it %s", async (ref, other) => {
  expect(await pruned(ref, [ref, other], false)).toMatchObject({
    status: "kept",
    why: `somebody else named it ${other}`,
  });
});
