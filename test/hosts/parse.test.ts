import { expect, test } from "vitest";
import { askedLabels, containerTemplate } from "../../src/hosts/containers.ts";
import { parseAnswer } from "../../src/hosts/parse.ts";
import { hostSnapshotSchema } from "../../src/model/host.ts";
import { renderSnapshot } from "../../src/render/hosts.ts";
import { answer, entry, LOOKED, manifest, record } from "./answers.ts";

const LABELS = askedLabels([]);
const STYLE = { colour: false, width: 100, unicode: true };

const parse = (bytes: Buffer) => parseAnswer(bytes, LOOKED, LABELS).snapshot;

function container(name: string, labels: Readonly<Record<string, string>>, status = "running"): string {
  const id = "ab".repeat(32);
  const values = LABELS.map((key) => labels[key] ?? "");
  const line = JSON.stringify([id, `/${name}`, "2030-01-01T00:00:00.123456789Z", status, null, ...values]);
  return record("container", "docker", line);
}

test("a whole answer is a snapshot of the published form", () => {
  const snapshot = parse(
    answer(
      record("engine", "docker", "ready", "27.1", "/var/lib/docker", ""),
      record("engine", "podman", "absent", "", "", ""),
      container("web-db-1", { "com.docker.compose.project": "web" }),
      record("root", "present", "/srv/sandboxes"),
      record("real", "/srv/sandboxes"),
      entry("fake99"),
      entry("0123456789abcdef", { kind: "runtime", parent: "/srv/sandboxes/team/objects" }),
      manifest({ "sandkeep.fleet": "team", "sandkeep.address": "agent/main", other: "x" }),
      record("use", "/srv/sandboxes/fake99/deep"),
      record("mount", "/srv/sandboxes/team/objects/0123456789abcdef/workspace"),
    ),
  );
  expect(hostSnapshotSchema.parse(snapshot)).toEqual(snapshot);
  expect(snapshot).toMatchObject({
    node: "build1",
    uid: 1000,
    uptime_s: 86461.2,
    cpus: 4,
    load: [0.5, 0.25, 0.1],
    memory: { total: 8_192_000_000, available: 6_144_000_000 },
    processes: 120,
    disks: [
      {
        what: "root",
        mount: "/",
        total: 102_400_000,
        available: 61_440_000,
        inodes: 5000,
        inodes_free: 4000,
      },
    ],
    engines: [
      { status: "ready", version: "27.1" },
      { status: "absent", version: null },
    ],
    containers: [{ name: "web-db-1", created_at: "2030-01-01T00:00:00.123Z", execs: 0 }],
    compose_projects: [{ project: "web", containers: 1, running: 1 }],
    roots: [{ path: "/srv/sandboxes", real: "/srv/sandboxes", status: "present" }],
    directories: [
      { name: "fake99", manifest: "none", in_use: true, mounted: false },
      {
        manifest: "whole",
        labels: { "sandkeep.fleet": "team", "sandkeep.address": "agent/main" },
        in_use: false,
        mounted: true,
      },
    ],
  });
});

test("an answer that is cut anywhere is no answer", () => {
  const bytes = answer(record("root", "present", "/srv/s"), record("real", "/srv/s"), entry("a"));
  for (let length = 0; length < bytes.length; length += 1)
    expect(() => parse(bytes.subarray(0, length))).toThrow("not whole");
  expect(() => parse(Buffer.concat([Buffer.from("motd of the host\0"), bytes]))).toThrow("not whole");
  expect(parse(bytes).directories).toHaveLength(1);
});

test("names of whatever bytes stay one name, and show nothing but themselves", () => {
  const hostile = ["a\nb", "a\tb", "\u001b[2Jgone", "..", "end", "entry\truntime", "\u202Eevil"];
  const bytes = Buffer.concat([
    Buffer.from(record("v", "1")),
    ...hostile.map((name) => Buffer.from(entry(name))),
    Buffer.from(entry("x").slice(0, -2), "latin1"),
    Buffer.from([0xff, 0xfe, 0]),
    Buffer.from(record("end")),
  ]);
  const snapshot = parse(bytes);
  expect(snapshot.directories.map(({ name }) => name)).toEqual([...hostile, String.raw`\xff\xfe`]);
  const text = renderSnapshot(snapshot, STYLE);
  for (const control of ["\u001b", "\u202e", "\t"]) expect(text).not.toContain(control);
  expect(text).toContain(String.raw`/srv/sandboxes/a\nb`);
});

test("what is too long or in no known form is left out, and told", () => {
  const snapshot = parse(
    answer(
      record("container", "docker", "not json"),
      record("container", "docker", JSON.stringify(["../../etc", "x", "", "running", null])),
      record("node2", "x".repeat(600_000)),
      container("big", { "com.docker.compose.project": "p".repeat(9000) }),
      entry("torn"),
      record("manifest.json", '{"labels":{"sandkeep.fl'),
    ),
  );
  expect(snapshot.containers.map(({ name }) => name)).toEqual(["big"]);
  expect(snapshot.compose_projects[0]?.project.length).toBeLessThan(600);
  expect(snapshot.directories).toMatchObject([{ name: "torn", manifest: "unreadable", labels: {} }]);
  expect(snapshot.notes).toEqual(["3 things could not be read and are left out"]);
});

test("file systems without inode counts, and hosts that hide their memory, are told as unknown", () => {
  const snapshot = parse(
    Buffer.from(
      [
        record("v", "1"),
        record("disk", "root", "a b c 100 40 60 40% /mnt/x y"),
        record("inodes", "root", "a b c 0 0 0 - /mnt/x y"),
        record("disk", "state", "df: no such thing"),
        record("load", "what"),
        record("end"),
      ].join(""),
    ),
  );
  expect(snapshot).toMatchObject({ load: null, memory: null, cpus: null, processes: null, uptime_s: null });
  expect(snapshot.disks).toEqual([
    { what: "root", mount: "/mnt/x y", total: 102_400, available: 61_440, inodes: null, inodes_free: null },
  ]);
});

test("the engines' template asks for labels by their keys, each quoted", () => {
  expect(containerTemplate(["a.b/c"])).toBe(
    '[{{json .Id}},{{json .Name}},{{json .Created}},{{json .State.Status}},{{json .ExecIDs}},{{json (index .Config.Labels "a.b/c")}}]',
  );
});
