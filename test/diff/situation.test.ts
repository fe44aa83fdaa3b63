import { describe, expect, it } from "vitest";
import type { Standing } from "../../src/diff/situation.ts";
import { standing } from "../../src/diff/situation.ts";
import { slotNames } from "../../src/model/names.ts";
import type { ObservedRuntime } from "../../src/model/observed.ts";
import { NOW, OWNER, STRANGER, found, wish } from "../support/runtimes.ts";

const desired = wish();
const NAME = desired.name;

type Who = "own" | "own expired" | "other" | "other expired";

function object(slot: string, who: Who, id = slot): ObservedRuntime {
  const owner = who.startsWith("own") ? OWNER : STRANGER;
  const candidate_until = NOW + (who.endsWith("expired") ? -1 : 1);
  const name = slot.startsWith("stray") ? slot : NAME + slot;
  return found(desired, {
    object_id: id === "" ? "canonical" : id,
    name,
    labels: { owner, candidate_until },
  });
}

function tell({ current, repairs, others, spared }: Standing): string[] {
  return [
    ...(current === undefined ? [] : [`current ${current.object_id}`]),
    ...(others === undefined ? [] : [`others ${others.object_id}`]),
    ...(spared === undefined ? [] : [`spared ${spared.object_id}`]),
    ...repairs.map((each) => {
      if (each.kind === "clear-mark") return "clear-mark";
      return each.kind === "rename"
        ? `rename ${each.object.object_id} to ${each.to === NAME ? "canonical" : each.to}`
        : `remove ${each.object.object_id}`;
    }),
  ];
}

const stand = (objects: readonly ObservedRuntime[]): string[] => tell(standing(NAME, objects, OWNER, NOW));

/** Whose `.new` it is, and until when, decides only where it stands without an `.old` to prove it. */
const CANDIDATES: readonly Who[] = ["own", "own expired", "other", "other expired"];

describe("where a name stands", () => {
  it("is nowhere without objects: missing means that all three names are free", () => {
    expect(stand([])).toEqual([]);
    expect(slotNames("n")).toEqual(["n", "n.new", "n.old"]);
  });

  it.each(CANDIDATES)("canonical, of %s: it stands", (who) => {
    expect(stand([object("", who)])).toEqual(["current canonical"]);
  });

  it.each<[Who, string[], string[]]>([
    ["own", ["remove .new"], ["current canonical", "remove .new"]],
    ["own expired", ["remove .new"], ["current canonical", "remove .new"]],
    ["other", ["others .new"], ["current canonical", "others .new"]],
    ["other expired", ["remove .new"], ["current canonical", "remove .new"]],
  ])(".new of %s", (who, alone, beside) => {
    expect(stand([object(".new", who)])).toEqual(alone);
    expect(stand([object("", "other"), object(".new", who)])).toEqual(beside);
  });

  it.each(CANDIDATES)(".old of %s", (who) => {
    expect(stand([object(".old", who)])).toEqual(["current .old", "rename .old to canonical"]);
    expect(stand([object(".old", who), object("", who)])).toEqual(["current canonical", "remove .old"]);
  });

  it.each(CANDIDATES)(".old and .new of %s: the replacement was proved, and is finished", (who) => {
    expect(stand([object(".new", who), object(".old", "own")])).toEqual([
      "current .new",
      "rename .new to canonical",
      "remove .old",
    ]);
  });

  it.each<[Who, string[]]>([
    ["own", ["current canonical", "remove .new", "remove .old"]],
    ["own expired", ["current canonical", "remove .new", "remove .old"]],
    ["other", ["current canonical", "others .new", "remove .old"]],
    ["other expired", ["current canonical", "remove .new", "remove .old"]],
  ])("all three, .new of %s", (who, expected) => {
    expect(stand([object("", "own"), object(".new", who), object(".old", "own")])).toEqual(expected);
  });
});

describe("a runtime of ours under a name we did not give", () => {
  const a = object("stray-a", "own");
  const b = object("stray-b", "other");

  it("gets its name back when nothing else stands there", () => {
    expect(stand([a])).toEqual(["current stray-a", "rename stray-a to canonical"]);
    expect(stand([a, object(".new", "own")])).toEqual([
      "current stray-a",
      "remove .new",
      "rename stray-a to canonical",
    ]);
  });

  it("is one too many beside another", () => {
    expect(stand([a, object("", "own")])).toEqual(["current canonical", "remove stray-a"]);
    expect(stand([a, object(".old", "own")])).toEqual([
      "current .old",
      "rename .old to canonical",
      "remove stray-a",
    ]);
    expect(stand([a, object(".new", "other")])).toEqual(["others .new", "remove stray-a"]);
  });

  it("of two, the one with the smaller id is kept, in whatever order they are listed", () => {
    const expected = ["current stray-a", "rename stray-a to canonical", "remove stray-b"];
    expect(stand([a, b])).toEqual(expected);
    expect(stand([b, a])).toEqual(expected);
  });

  it("is spared when it may not be removed", () => {
    const spared = standing(NAME, [a, object("", "own")], OWNER, NOW, (each) => each === a);
    expect(tell(spared)).toEqual(["current canonical", "spared stray-a"]);
  });
});
