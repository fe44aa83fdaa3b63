import { expect, it } from "vitest";
import { maskedPaths } from "../../../src/drivers/docker/mounts.ts";
import { readValues } from "../../../src/drivers/docker/section.ts";
import type { JsonObject } from "../../../src/model/json.ts";

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
