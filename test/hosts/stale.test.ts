import { expect, test } from "vitest";
import { askedLabels } from "../../src/hosts/containers.ts";
import { parseAnswer } from "../../src/hosts/parse.ts";
import type { StaleContext } from "../../src/hosts/stale.ts";
import { REAPED, staleOn } from "../../src/hosts/stale.ts";
import { renderReap, renderStale } from "../../src/render/hosts.ts";
import { answer, entry, LOOKED, manifest, record } from "./answers.ts";

const DAY = 86_400;
const NOW_S = 1_893_456_000;
const LABELS = askedLabels(["tool.id"]);
const OBJECTS = "/srv/sandboxes/team/objects";

const context = (changes: Partial<StaleContext> = {}): StaleContext => ({
  fleet: "team",
  fleet_id: "k3v9q2",
  declared: new Set(["agent/main"]),
  held: new Map([["agent/held", "debugging"]]),
  now: NOW_S * 1000,
  older_than: DAY * 1000,
  adoptsDirectory: (name) => name.startsWith("fake"),
  adoptsContainer: ({ name, labels }) => name.startsWith("sbx-") || labels["tool.id"] !== undefined,
  ...changes,
});

const ours = (address: string, more: Readonly<Record<string, string>> = {}): string =>
  manifest({
    "sandkeep.fleet": "team",
    "sandkeep.fleet-id": "k3v9q2",
    "sandkeep.role": "primary",
    "sandkeep.address": address,
    ...more,
  });

const runtime = (name: string, changed = NOW_S - 60): string =>
  entry(name, { kind: "runtime", parent: OBJECTS, changed });
const old = (name: string, more: Parameters<typeof entry>[1] = {}): string =>
  entry(name, { changed: NOW_S - 3 * DAY, ...more });

let ids = 0;
function container(name: string, labels: Readonly<Record<string, string>>, age = 3 * DAY, execs = 0): string {
  const id = (++ids).toString(16).padStart(64, "0");
  const created = new Date((NOW_S - age) * 1000).toISOString();
  const running = execs === 0 ? null : Array.from({ length: execs }, () => "e1");
  return record(
    "container",
    "docker",
    JSON.stringify([id, name, created, "running", running, ...LABELS.map((key) => labels[key] ?? "")]),
  );
}

function judged(records: readonly string[], changes: Partial<StaleContext> = {}) {
  const { snapshot } = parseAnswer(answer(...records), LOOKED, LABELS);
  return staleOn(snapshot, context(changes)).map(({ what, code, reap, kept }) => ({
    what: what.split("/").at(-1),
    code,
    fate: reap ?? kept?.code,
  }));
}

const one = (...records: readonly string[]) => judged(records)[0];

test("every reason has its row", () => {
  const rows: readonly (readonly [
    records: readonly string[],
    code: string | undefined,
    fate: string | undefined,
  ])[] = [
    [[old(`${REAPED}0123`)], "reap-leftover", "directory"],
    [[runtime("a"), ours("agent/gone")], "orphan", "fleet"],
    [[runtime("a"), ours("agent/held")], "orphan", "held"],
    [[runtime("a"), ours("agent/main")], undefined, undefined],
    [[runtime("a", NOW_S - 3 * DAY), ours("agent/main")], "aged", "declared"],
    [
      [runtime("a"), ours("ephemeral/r1", { "sandkeep.role": "ephemeral", "sandkeep.expires-at": "5" })],
      "expired",
      "fleet",
    ],
    [
      [runtime("a", NOW_S - 3 * DAY), ours("agent/main", { "sandkeep.fleet-id": "other1" })],
      "other-fleet",
      "not-proved",
    ],
    [[runtime("a"), ours("agent/main", { "sandkeep.fleet": "else" })], undefined, undefined],
    [[old("fake99")], "adopted", "directory"],
    [[entry("fake99", { changed: NOW_S - 60 })], undefined, undefined],
    [[old("else99")], "no-manifest", "not-proved"],
    [[old("else99"), record("manifest.json", "torn")], "manifest-unreadable", "not-proved"],
    [[container("sbx-1", {})], "adopted", "container"],
    [[container("x", { "tool.id": "7" })], "adopted", "container"],
    [[container("sbx-1", {}, 3 * DAY, 1)], "adopted", "in-use"],
    [[container("sbx-1", {}, 60)], undefined, undefined],
    [[container("database", {})], undefined, undefined],
    [
      [
        container("s", {
          "sandkeep.fleet": "else",
          "sandkeep.role": "primary",
          "sandkeep.address": "agent/x",
        }),
      ],
      "other-fleet",
      "not-proved",
    ],
  ];
  for (const [records, code, fate] of rows)
    expect({ records, ...one(...records) }).toEqual(
      code === undefined ? { records } : { records, what: expect.any(String), code, fate },
    );
});

test("what leads elsewhere, is mounted, is used or is another's is never removed, whatever its age and name", () => {
  expect(one(old("fake1", { kind: "link" }))?.fate).toBe("link");
  expect(one(old("fake1"), record("mount", "/srv/sandboxes/fake1"))?.fate).toBe("mounted");
  expect(one(old("fake1"), record("mount", "/srv/sandboxes/fake1/deep/er"))?.fate).toBe("mounted");
  expect(one(old("fake1"), record("use", "/srv/sandboxes/fake1"))?.fate).toBe("in-use");
  expect(one(old("fake1"), record("use", "/sandboxes/fake1/workspace"))?.fate).toBe("in-use");
  expect(one(old("fake1"), record("use", "/srv/sandboxes/fake12"))?.fate).toBe("directory");
  expect(one(old("fake1", { uid: 0 }))?.fate).toBe("not-own");
  for (const name of ["fake 1", "fake\n1", "fake$(id)", "fake'", "fake*", "fake\u001b[2J"])
    expect(one(old(name))?.fate).toBe("odd-name");
  for (const parent of ["/srv", "/srv/../etc", "/srv/a b", "srv/x", "/srv//x"])
    expect(one(old("fake1", { parent }))?.fate).toBe("odd-name");
});

test("what nobody knows the age of is listed and kept", () => {
  expect(one(record("entry", "directory", "1:2", "1000", "", "/srv/sandboxes", "fake1"))).toMatchObject({
    code: "adopted",
    fate: "unknown-age",
  });
});

test("what would go stands first, and the text tells of each what becomes of it and why", () => {
  const records = [old("else1"), old("fake1")];
  const { snapshot } = parseAnswer(answer(...records), LOOKED, LABELS);
  const stale = staleOn(snapshot, context());
  expect(stale.map(({ what }) => what)).toEqual(["/srv/sandboxes/fake1", "/srv/sandboxes/else1"]);
  const style = { colour: false, width: 80, unicode: true };
  const report = { older_than_s: DAY, hosts: ["build1"], unobserved: [], exit_code: 0 };
  expect(renderStale({ ...report, stale }, style)).toMatchInlineSnapshot(`
    "build1: /srv/sandboxes/fake1
      adopted: a sandbox by the host's adopt rules, 3d old
      reap removes it

    build1: /srv/sandboxes/else1
      no-manifest: nothing in it says that sandkeep made it; 3d old
      reap keeps it: nothing proves that it is a sandbox: an [hosts.NAME.adopt]
        rule could

    2 stale things, 1 of which \`sandkeep host reap --apply\` removes.
    "
  `);
  const entries = stale.map((each) => ({
    ...each,
    status: each.reap === null ? ("kept" as const) : ("would_remove" as const),
    message: each.kept?.why ?? null,
  }));
  expect(renderReap({ ...report, dry_run: true, entries }, style)).toContain(
    "1 would be removed, 1 kept; --apply does it.",
  );
});
