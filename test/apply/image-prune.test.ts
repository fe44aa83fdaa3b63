import { expect, test } from "vitest";
import { pruneImages } from "../../src/apply/image-prune.ts";
import type { ImageCheck, ImageList, PrunedImage } from "../../src/model/images.ts";
import { checkImages } from "../../src/plan/image-check.ts";
import { listImages } from "../../src/plan/image-list.ts";
import { renderImageList } from "../../src/render/images.ts";
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

const HOUR = 3_600_000;

const GATE = { allow: ["pypi.org"], image: "gate:1" };
const behindGate = { sandbox: { docker: { image: "img:a" }, egress: GATE } };
const onNetwork = { sandbox: { docker: { image: "img:a", network: "build" } } };

interface Seen {
  readonly list: ImageList;
  readonly check: ImageCheck;
  readonly pruned: readonly PrunedImage[];
  /** Whether the engine still has the gate's image. */
  readonly left: boolean;
}

/** What is said of images, and pruned, once a fleet's sandboxes are dormant and sandkeep is known to have pulled `gate:1`. */
async function dormant(config: object): Promise<Seen> {
  await using lab = new Lab({ images: { "img:a": "a1", "gate:1": "g1" } });
  await lab.write({ sandbox: { backend: "docker" }, ...config });
  await lab.apply();
  lab.time.advance(HOUR);
  await lab.intent({ mode: "prune", idle: 1, orphans: false });
  expect(lab.primaries()).toEqual([]);
  const machine = lab.world.machine();
  const image_id = machine.images.get("gate:1") ?? "";
  const place = { backend: "docker", host: machine.host, engine_id: machine.host };
  await recordPulled(lab.state(), { ...place, image_id, ref: "gate:1" }, 0);
  const listed = await listImages(lab.engine(), {});
  const checked = await checkImages(lab.engine(), {});
  const answer = await pruneImages(lab.engine(), { dry_run: false });
  if (listed.status !== "listed" || checked.status !== "checked" || answer.status !== "pruned")
    throw new Error(JSON.stringify([listed, checked, answer]));
  const { images } = answer.prune;
  return { list: listed.list, check: checked.check, pruned: images, left: machine.images.has("gate:1") };
}

test.each([
  ["egress/agent/work", { agents: { work: behindGate } }],
  ["network/build", { agents: { work: onNetwork }, networks: { build: { internal: true, egress: GATE } } }],
])("the image of a gate is kept for %s, whose sandboxes are dormant", async (network, config) => {
  const { list, check, pruned: rows, left } = await dormant(config);
  expect(rows).toMatchObject([{ status: "kept", why: `the gate of ${network} is to run it` }]);
  expect(left).toBe(true);
  const gate = { ref: "gate:1", policy: "missing", pulled: true, addresses: [], networks: [network] };
  const own = { ref: "img:a", pulled: false, addresses: ["agent/work"], networks: [] };
  expect(list.images).toMatchObject([gate, own]);
  expect(renderImageList(list, { colour: false, width: 120, unicode: true })).toContain(
    `the gate of ${network}`,
  );
  // A gate stays what it is when its tag moves: no registry is asked.
  expect(check.images).toMatchObject([{ ref: "img:a" }]);
});

test("an image that a gate shares with its sandbox is listed once, for both", async () => {
  const egress = { allow: ["pypi.org"] };
  const { list, check } = await dormant({
    agents: { work: { sandbox: { docker: { image: "gate:1" }, egress } } },
  });
  expect(list.images).toMatchObject([
    { ref: "gate:1", addresses: ["agent/work"], networks: ["egress/agent/work"] },
  ]);
  expect(check.images).toMatchObject([{ ref: "gate:1" }]);
});

test("an image that no gate of the config names any more goes", async () => {
  const { pruned: rows, left } = await dormant({
    agents: { work: { sandbox: { docker: { image: "img:a" } } } },
  });
  expect(rows).toMatchObject([{ refs: ["gate:1"], status: "removed" }]);
  expect(left).toBe(false);
});
