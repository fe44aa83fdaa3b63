import { expect, it } from "vitest";
import { unmaskedPaths } from "../../../src/drivers/docker/masks.ts";
import { MASK, maskedPaths, tmpfsOptions } from "../../../src/drivers/docker/mounts.ts";
import { readValues } from "../../../src/drivers/docker/section.ts";
import { readContainer } from "../../../src/drivers/docker/wire-container.ts";
import type { JsonObject } from "../../../src/model/json.ts";
import { found, wish } from "../../support/runtimes.ts";

function masked(stateDir: string, workspace: JsonObject, docker: JsonObject = {}): readonly string[] {
  const values = { workspace: { access: "rw", target: "/workspace", ...workspace }, docker };
  return maskedPaths(readValues(values), stateDir);
}

const project = { provider: "bind", source: "/src/app" };
const own = { provider: "own" };
const bind = (source: string, target: string) => ({ source, target, mode: "rw" });

it.each<[what: string, stateDir: string, workspace: JsonObject, docker: JsonObject, paths: string[]]>([
  ["inside the workspace", "/src/app/.st", project, {}, ["/workspace/.st"]],
  ["deep inside it", "/src/app/a/b", project, {}, ["/workspace/a/b"]],
  ["outside", "/src/state", project, {}, []],
  ["in a folder with the same beginning", "/src/apps/.st", project, {}, []],
  ["named like a way up", "/src/app/..st", project, {}, ["/workspace/..st"]],
  ["in the source of a volume", "/src/app/.st", { ...project, provider: "volume" }, {}, []],
  ["below a bind alone", "/src/app/.st", own, { binds: [bind("/src", "/mnt")] }, ["/mnt/app/.st"]],
  [
    "below the workspace and two binds",
    "/src/app/.st",
    project,
    { binds: [bind("/src/app", "/a"), bind("/", "/b")] },
    ["/workspace/.st", "/a/.st", "/b/src/app/.st"],
  ],
  ["where another bind lies", "/src/app/.st", project, { binds: [bind("/x", "/workspace/.st")] }, []],
  ["below another bind", "/src/app/a/.st", project, { binds: [bind("/x", "/workspace/a")] }, []],
  [
    "above another bind",
    "/src/app/.st",
    project,
    { binds: [bind("/x", "/workspace/.st/x")] },
    ["/workspace/.st"],
  ],
  [
    "beside another bind",
    "/src/app/.st",
    project,
    { binds: [bind("/x", "/workspace/.s")] },
    ["/workspace/.st"],
  ],
  ["where a tmpfs lies", "/src/app/.st", project, { tmpfs: ["/workspace/.st:size=1m"] }, []],
  [
    "below a bind that shows it again",
    "/src/app/.st",
    project,
    { binds: [bind("/src", "/workspace/sub")] },
    ["/workspace/.st", "/workspace/sub/app/.st"],
  ],
])("masks a state directory %s", (_, stateDir, workspace, docker, paths) => {
  expect(masked(stateDir, workspace, docker)).toEqual(paths);
});

const HIDDEN = "/src/app/.st";

/** The memory file systems of a container that is made to hide these. */
function tmpfsOf(stateDirs: readonly string[], docker: JsonObject = {}): Readonly<Record<string, string>> {
  const values = { workspace: { access: "rw", target: "/workspace", ...project }, docker };
  const { labels } = found(wish());
  return tmpfsOptions({ spec: readValues(values), labels, stateDirs, stamp: "0" });
}

it.each<[what: string, stateDirs: string[], docker: JsonObject, paths: string[]]>([
  ["all in one workspace", [HIDDEN, "/src/app/.other"], {}, ["/workspace/.st", "/workspace/.other"]],
  ["one below another", [`${HIDDEN}/x`, HIDDEN], {}, ["/workspace/.st"]],
  [
    "one that a bind below another shows again",
    [HIDDEN],
    { binds: [bind("/src/app", "/workspace/.st/again")] },
    ["/workspace/.st", "/workspace/.st/again/.st"],
  ],
  ["those elsewhere not at all", ["/home/me/.state", HIDDEN], {}, ["/workspace/.st"]],
])("hides state directories: %s", (_, stateDirs, docker, paths) => {
  expect(tmpfsOf(stateDirs, docker)).toEqual(Object.fromEntries(paths.map((path) => [path, MASK])));
});

/** A container with these mounts and memory file systems. */
const containerOf = (binds: Readonly<Record<string, string>>, Tmpfs: Readonly<Record<string, string>>) =>
  readContainer({
    Id: "c1",
    Name: "/sk-a",
    State: {},
    Config: {},
    HostConfig: { Tmpfs },
    Mounts: Object.entries(binds).map(([Destination, Source]) => ({ Type: "bind", Source, Destination })),
  });

it.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, string>>, string[]]>([
  ["masked", { "/workspace": "/src/app" }, { "/workspace/.st": MASK }, []],
  ["not masked", { "/workspace": "/src/app" }, {}, ["/workspace/.st"]],
  ["masked for another", { "/workspace": "/src/app" }, { "/workspace/.other": MASK }, ["/workspace/.st"]],
  ["below what is masked for another", { "/workspace": "/src" }, { "/workspace/app": MASK }, []],
  [
    "shown again below what is masked",
    { "/workspace": "/src/app", "/workspace/.st/again": "/src" },
    { "/workspace/.st": MASK },
    ["/workspace/.st/again/app/.st"],
  ],
  [
    "under a memory file system of the config",
    { "/workspace": "/src/app" },
    { "/workspace/.st": "size=1m" },
    [],
  ],
  ["under another mount", { "/workspace": "/src/app", "/workspace/.st": "/x" }, {}, []],
  ["in no bind", { "/workspace": "/src/apps" }, {}, []],
])("a state directory is seen to be %s", (_, binds, tmpfs, paths) => {
  expect(unmaskedPaths(containerOf(binds, tmpfs), HIDDEN)).toEqual(paths);
});

it("what is made to hide state directories is seen to hide each of them", () => {
  const stateDirs = [HIDDEN, "/src/app/.other", `${HIDDEN}/below`];
  const made = containerOf({ "/workspace": "/src/app" }, tmpfsOf(stateDirs));
  for (const stateDir of stateDirs) expect(unmaskedPaths(made, stateDir)).toEqual([]);
});
