// What an engine holds of whomever, for every driver whose engines keep images.
import { expect, it } from "vitest";
import { ADDRESS_LABEL } from "../../src/model/labels.ts";
import type { Cases } from "./harness.ts";

export function inventoryCases({ fleet, harness, driver }: Cases): void {
  it("tells everything it holds, with the labels asked for and no others", async (context) => {
    context.skip(!harness().module.capabilities.images, "this backend keeps no images");
    await using mine = fleet();
    const made = [await mine.run("a"), await mine.run("b")].map(({ objectId }) => objectId);
    const inventory = await driver().inventory?.([ADDRESS_LABEL]);
    const held = inventory?.containers.filter(({ object_id: id }) => made.includes(id)) ?? [];
    const told = held.map(({ labels, status }) => [labels, status]);
    expect(told).toHaveLength(2);
    expect(told).toEqual(
      expect.arrayContaining([
        [{ [ADDRESS_LABEL]: "agent/a" }, "running"],
        [{ [ADDRESS_LABEL]: "agent/b" }, "running"],
      ]),
    );
    expect(inventory?.left).toBe(0);
    for (const each of held) expect(await driver().held?.(each.object_id, [ADDRESS_LABEL])).toEqual(each);
    expect(await driver().held?.("f".repeat(64), [ADDRESS_LABEL])).toBeUndefined();
  });

  it("knows an image it does not have as absent", async () => {
    const state = await driver().resolveImage("sandkeep-test/nowhere:0", "missing");
    expect(state.status).not.toBe("present");
  });
}
