import { describe, expect, it } from "vitest";
import { specHash } from "../../src/desire/hash.ts";
import { compareFields, compareImage, compareSecrets, unenforced } from "../../src/diff/fields.ts";
import type { Difference } from "../../src/diff/verdict.ts";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import { podmanDriver } from "../../src/drivers/docker/podman.ts";
import type { FieldRow } from "../../src/model/fields.ts";
import { ignoredField, liveField, recreateField } from "../../src/model/fields.ts";
import type { Json, JsonObject } from "../../src/model/json.ts";
import { MASKED } from "../../src/model/plan-format.ts";
import type { ImageIdentity, Spec } from "../../src/model/spec.ts";
import type { ImageFact } from "../../src/observe/images.ts";
import { found, wish } from "../support/runtimes.ts";

const ROWS: readonly FieldRow[] = [
  recreateField("hashed", "fixed"),
  recreateField("unhashed", "compared", { hashed: false }),
  recreateField("table", "fixed"),
  liveField("live", "in place"),
  liveField("secretive", "in place", { sensitive: true }),
  ignoredField("ignored", "no matter"),
  { ...liveField("limit", "in place"), classify: (_, after) => (after === undefined ? "recreate" : "live") },
  recreateField("young", "younger than the hash", { introduced_default: false }),
  liveField("young-live", "younger than the hash", { introduced_default: "x" }),
];

interface Case {
  readonly wanted?: JsonObject;
  /** Creation spec on the label; absent: as wanted. */
  readonly applied?: JsonObject;
  /** Field-table values as the engine shows them; absent: it shows none. */
  readonly shows?: Readonly<Record<string, Json>>;
  readonly hashVersion?: number;
  /** What was last set in place, as this state directory knows it. */
  readonly updates?: Readonly<Record<string, Json>>;
}

const spec = (values: JsonObject): Spec => ({ kind: "sandbox", backend: "memory", values });

function compare({
  wanted = {},
  applied = wanted,
  shows = {},
  hashVersion = 1,
  updates,
}: Case): Difference[] {
  const hash = (values: JsonObject) => specHash(spec(values), ROWS);
  const desired = { ...wish(), spec: spec(wanted), spec_hash: hash(wanted) };
  const spec_hash = `v${hashVersion}:${hash(applied).slice(3)}` as const;
  const labels = { spec: spec(applied), spec_hash: spec_hash as typeof desired.spec_hash };
  return compareFields(desired, found(desired, { fields: shows, labels }), ROWS, updates);
}

const brief = (some: readonly Difference[]): string[] =>
  some.map(
    (d) => `${d.path}: ${JSON.stringify(d.before)} → ${JSON.stringify(d.after)} ${d.class} (${d.origin})`,
  );

describe("a field", () => {
  it.each<[string, Case, string[]]>([
    ["nothing differs", { wanted: { hashed: 1, live: 2 }, shows: { hashed: 1, live: 2 } }, []],
    ["nothing differs, and the engine shows nothing", { wanted: { hashed: 1, live: 2 } }, []],
    [
      "hashed, edited in the config",
      { wanted: { hashed: 2 }, applied: { hashed: 1 } },
      ["hashed: 1 → 2 recreate (config)"],
    ],
    [
      "hashed, edited in the config, and shown as it was applied",
      { wanted: { hashed: 2 }, applied: { hashed: 1 }, shows: { hashed: 1 } },
      ["hashed: 1 → 2 recreate (config)"],
    ],
    [
      "hashed, changed behind our back",
      { wanted: { hashed: 1 }, shows: { hashed: 9 } },
      ["hashed: 9 → 1 recreate (live)"],
    ],
    [
      "edited here and changed there: told as the engine shows it, and of the config",
      { wanted: { hashed: 2 }, applied: { hashed: 1 }, shows: { hashed: 9 } },
      ["hashed: 9 → 2 recreate (config)"],
    ],
    [
      "edited to what somebody already did to an unhashed one",
      { wanted: { live: 2 }, applied: { live: 1 }, shows: { live: 2 } },
      [],
    ],
    [
      "live, edited",
      { wanted: { live: 2 }, applied: { live: 1 }, shows: { live: 1 } },
      ["live: 1 → 2 live (config)"],
    ],
    [
      "live, edited, and not observable",
      { wanted: { live: 2 }, applied: { live: 1 } },
      ["live: 1 → 2 live (config)"],
    ],
    [
      "live, changed behind our back",
      { wanted: { live: 1 }, shows: { live: 9 } },
      ["live: 9 → 1 live (live)"],
    ],
    [
      "live, added",
      { wanted: { live: 1 }, applied: {}, shows: { live: null } },
      ["live: null → 1 live (config)"],
    ],
    [
      "live, removed",
      { wanted: {}, applied: { live: 1 }, shows: { live: 1 } },
      ["live: 1 → null live (config)"],
    ],
    [
      "classed by its values",
      { wanted: {}, applied: { limit: 1 }, shows: { limit: 1 } },
      ["limit: 1 → null recreate (config)"],
    ],
    [
      "classed by its values, set",
      { wanted: { limit: 1 }, applied: {}, shows: { limit: null } },
      ["limit: null → 1 live (config)"],
    ],
    [
      "compared though not hashed",
      { wanted: { unhashed: "b" }, applied: { unhashed: "a" } },
      [`unhashed: "a" → "b" recreate (config)`],
    ],
    [
      "ignored, whatever happens",
      { wanted: { ignored: 2 }, applied: { ignored: 1 }, shows: { ignored: 3 } },
      [],
    ],
    ["null, empty and absent are one: null", { wanted: {}, shows: { hashed: null, live: null } }, []],
    ["null, empty and absent are one: list", { wanted: {}, shows: { hashed: [], live: [] } }, []],
    ["null, empty and absent are one: table", { wanted: {}, shows: { hashed: {}, live: {} } }, []],
    [
      "false and zero are values",
      { wanted: {}, shows: { hashed: false, live: 0 } },
      ["hashed: false → null recreate (live)", "live: 0 → null live (live)"],
    ],
    [
      "set where the engine shows none",
      { wanted: { hashed: 1 }, shows: { hashed: null } },
      ["hashed: null → 1 recreate (live)"],
    ],
  ])("%s", (_title, which, expected) => {
    expect(brief(compare(which))).toEqual(expected);
  });

  // Made with 1, which its labels tell for ever, and then set to 2 in place.
  it.each<[string, Case, string[]]>([
    ["as it was last set", { wanted: { live: 2 }, shows: { live: 2 } }, []],
    [
      "changed behind our back since",
      { wanted: { live: 2 }, shows: { live: 3 } },
      ["live: 3 → 2 live (live)"],
    ],
    [
      "changed behind our back to what it was made with",
      { wanted: { live: 2 }, shows: { live: 1 } },
      ["live: 1 → 2 live (live)"],
    ],
    ["edited back", { wanted: { live: 1 }, shows: { live: 2 } }, ["live: 2 → 1 live (config)"]],
    ["edited on", { wanted: { live: 3 }, shows: { live: 2 } }, ["live: 2 → 3 live (config)"]],
    [
      "edited back, and changed there",
      { wanted: { live: 1 }, shows: { live: 3 } },
      ["live: 3 → 1 live (config)"],
    ],
  ])("updated in place: %s", (_title, which, expected) => {
    expect(brief(compare({ applied: { live: 1 }, updates: { live: 2 }, ...which }))).toEqual(expected);
  });

  it("taken away in place is known to be gone", () => {
    const removed = { applied: { live: 1 }, updates: { live: null } };
    expect(brief(compare({ ...removed, wanted: {}, shows: { live: 3 } }))).toEqual([
      "live: 3 → null live (live)",
    ]);
    expect(brief(compare({ ...removed, wanted: { live: 1 }, shows: { live: null } }))).toEqual([
      "live: null → 1 live (config)",
    ]);
  });

  it("differs or not whatever is remembered of updates, which only tell whose it is", () => {
    const unseen = { wanted: { live: 2, hashed: 2 }, applied: { live: 1, hashed: 1 } };
    const expected = ["hashed: 1 → 2 recreate (config)", "live: 1 → 2 live (config)"];
    for (const updates of [{}, { live: 2, hashed: 2 }, { live: 9, other: 1 }])
      expect(brief(compare({ ...unseen, updates }))).toEqual(expected);
  });

  it("younger than a runtime is at its introduction default there", () => {
    const upgraded = { wanted: { hashed: 1, young: false, "young-live": "x" }, applied: { hashed: 1 } };
    expect(brief(compare(upgraded))).toEqual([]);
    const edited = { wanted: { ...upgraded.wanted, hashed: 2, young: true }, applied: { hashed: 1 } };
    expect(brief(compare(edited))).toEqual([
      "hashed: 1 → 2 recreate (config)",
      "young: false → true recreate (config)",
    ]);
  });

  it("of a table is told entry by entry", () => {
    const wanted = { table: { same: 1, edited: 2, added: 3 } };
    const applied = { table: { same: 1, edited: 1, removed: 4 } };
    expect(brief(compare({ wanted, applied }))).toEqual([
      "table.added: null → 3 recreate (config)",
      "table.edited: 1 → 2 recreate (config)",
      "table.removed: 4 → null recreate (config)",
    ]);
    expect(compare({ wanted, applied }).map((each) => each.field)).toEqual(["table", "table", "table"]);
    expect(brief(compare({ wanted: { table: { a: 1 } }, shows: { table: null } }))).toEqual([
      "table.a: null → 1 recreate (live)",
    ]);
  });

  it("that is sensitive shows no value, only whether there was one", () => {
    expect(brief(compare({ wanted: { secretive: "new" }, applied: { secretive: "old" } }))).toEqual([
      `secretive: "${MASKED}" → "${MASKED}" live (config)`,
    ]);
    const added = compare({ wanted: { secretive: "new" }, applied: {} });
    expect(added).toMatchObject([{ before: null, after: MASKED }]);
    expect(JSON.stringify(added)).not.toContain("new");
  });

  it.each([0, 2])("under a hash of version %i counts only by what can be observed", (hashVersion) => {
    const other = { wanted: { hashed: 2 }, applied: { hashed: 1 }, hashVersion };
    expect(brief(compare(other))).toEqual([]);
    expect(brief(compare({ ...other, shows: { hashed: 2 } }))).toEqual([]);
    expect(brief(compare({ ...other, shows: { hashed: 3 } }))).toEqual(["hashed: 3 → 2 recreate (config)"]);
    const live = { wanted: { live: 2 }, applied: { live: 1 }, shows: { live: 1 }, hashVersion };
    expect(brief(compare(live))).toEqual(["live: 1 → 2 live (config)"]);
  });

  it("says where the config says so, and nothing of built-in values", () => {
    const desired = wish();
    const current = found(desired, { fields: { "memory.network": "host" } });
    const rows = [recreateField("memory.network", "fixed")];
    expect(compareFields(desired, current, rows)).toMatchObject([
      { key: "sandbox.memory.network", source: { line: 7 }, why: "fixed" },
    ]);
    const builtIn = { ...desired, provenance: () => ({ layer: "built-in" as const, key: ["sandbox"] }) };
    expect(compareFields(builtIn, current, rows)).toMatchObject([{ key: null, source: null }]);
  });
});

describe("what an engine does not enforce", () => {
  it("is what it shows otherwise than asked, unless that never matters", () => {
    const asked = spec({ hashed: 1, live: 1, ignored: 1, table: {} });
    const shows = (fields: Readonly<Record<string, Json>>) =>
      unenforced(asked, found(wish(), { fields }), ROWS);
    expect(shows({})).toEqual([]);
    expect(shows({ hashed: 1, live: 1, table: null, limit: null })).toEqual([]);
    expect(shows({ hashed: 2, live: null, ignored: 5, limit: 7 })).toEqual([
      { path: "hashed", asked: 1, found: 2 },
      { path: "live", asked: 1, found: null },
      { path: "limit", asked: null, found: 7 },
    ]);
  });

  it.each([
    ["my-profile", ["docker.apparmor"]],
    ["unconfined", []],
    [undefined, []],
  ])("is a profile that the engine leaves out: %s", (apparmor, expected) => {
    const unsupported = { "docker.apparmor": "no AppArmor" };
    const current = { ...found(wish(), { fields: {} }), unsupported };
    const missing = unenforced(spec({ docker: { apparmor } }), current, dockerDriver.fields);
    expect(missing.map(({ path }) => path)).toEqual(expected);
  });

  it.each<[string, JsonObject, readonly string[]]>([
    ["memory alone", { memory: 64, memory_swap: 128 }, []],
    ["memory and a total of its own", { memory: 64, memory_swap: 96 }, ["docker.memory_swap"]],
    ["unlimited swap", { memory: 64, memory_swap: "unlimited" }, []],
    ["another limit beside it", { memory: 65, memory_swap: 130, pids: 7 }, ["docker.pids"]],
  ])("is not what only followed from the rest: %s", (_, docker, expected) => {
    const unsupported = { "docker.memory_swap": "no swap accounting", "docker.pids": "no pids" };
    const current = { ...found(wish(), { fields: {} }), unsupported };
    const missing = unenforced(spec({ docker }), current, dockerDriver.fields);
    expect(missing.map(({ path }) => path)).toEqual(expected);
    const podman = unenforced(
      spec({ podman: docker }),
      {
        ...current,
        unsupported: { "podman.memory_swap": "no swap accounting" },
      },
      podmanDriver.fields,
    );
    expect(podman).toHaveLength(expected.includes("docker.memory_swap") ? 1 : 0);
  });
});

const image = (digest: string, more: Partial<ImageIdentity> = {}): ImageIdentity => ({
  ref: "img:a",
  kind: "config",
  digest: `sha256:${digest}`,
  platform: "linux/amd64",
  ...more,
});

const fact = (state: ImageFact["state"]): ImageFact => ({
  backend: "memory",
  host: "local",
  ref: "img:a",
  policy: "missing",
  state,
});

const registered = (digest: string): ImageIdentity => image(digest, { kind: "manifest" });

/** What the registry has and the engine lacks; its id too, where the manifest could be read. */
const lacking = (digest: string, id?: string): ImageFact =>
  fact({
    status: "absent",
    from: registered(digest),
    ...(id === undefined ? {} : { image: image(id) }),
  });

describe("an image", () => {
  const desired = wish({ settings: { options: { image: "img:a" } } });
  const present = (digest: string, more: Partial<ImageIdentity> = {}): ImageFact =>
    fact({ status: "present", image: image(digest, more) });

  it.each<[string, ImageIdentity | undefined, ImageIdentity | undefined, ImageFact | undefined, boolean]>([
    ["the same digest", image("1"), image("1"), present("1"), false],
    ["another digest", image("1"), image("1"), present("2"), true],
    ["another digest, known from the label alone", undefined, image("1"), present("2"), true],
    [
      "another digest of another kind: never compared",
      image("1"),
      image("1"),
      present("2", { kind: "index" }),
      false,
    ],
    ["another reference: the field tells it", image("1"), image("1", { ref: "img:b" }), present("2"), false],
    ["absent from the engine", image("1"), image("1"), fact({ status: "absent" }), false],
    ["moved in its registry, which could be asked", image("c"), registered("1"), lacking("2"), true],
    [
      "as the registry has it, though the engine lost its name",
      image("c"),
      registered("1"),
      lacking("1"),
      false,
    ],
    ["known by its id alone, and the registry's has another", image("1"), undefined, lacking("9", "2"), true],
    [
      "known by its id alone, and the registry's has the same",
      image("1"),
      undefined,
      lacking("9", "1"),
      false,
    ],
    ["an index that moved around the same image", image("1"), registered("i"), lacking("j", "1"), false],
    [
      "moved as far as is known, but unlike kinds alone are known",
      image("1"),
      undefined,
      lacking("2"),
      false,
    ],
    [
      "there, but a registry that is down says nothing of it",
      image("1"),
      image("1"),
      fact({ status: "present", image: image("2"), unresolved: "down" }),
      false,
    ],
    ["unknown", image("1"), image("1"), fact({ status: "unknown", message: "away" }), false],
    ["nobody asked", image("1"), image("1"), undefined, false],
    ["nothing known of what it was made from", undefined, undefined, present("2"), false],
  ])("%s", (_title, seen, label, now, moved) => {
    const current = found(desired, {
      ...(seen === undefined ? {} : { image: seen }),
      labels: label === undefined ? {} : { image: label },
    });
    const differences = compareImage(desired, current, now);
    expect(differences).toHaveLength(moved ? 1 : 0);
    for (const each of differences) {
      expect(each).toMatchObject({
        path: "image",
        origin: "image",
        class: "recreate",
        before: "sha256:1",
        after: "sha256:2",
      });
    }
  });
});

describe("secrets that setup used", () => {
  it("recreate when their value changed, and do nothing when that is unknown", () => {
    const desired = wish();
    const current = found(desired, {
      labels: { secrets: { SAME: "k:1", CHANGED: "k:1", OTHER_KEY: "old:1", GONE: "k:1" } },
    });
    const now = { SAME: "k:1", CHANGED: "k:2", OTHER_KEY: "k:2", NEW: "k:3" };
    const differences = compareSecrets(desired, current, now);
    expect(brief(differences)).toEqual([`secrets.CHANGED: "${MASKED}" → "${MASKED}" recreate (config)`]);
    expect(JSON.stringify(differences)).not.toContain("k:");
  });
});
