import { describe, expect, it } from "vitest";
import { dockerSchema } from "../../../src/config/schema/docker.ts";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import type { Json } from "../../../src/model/json.ts";

const row = (path: string) => {
  const found = dockerDriver.fields.find((each) => each.path === path);
  if (found === undefined) throw new Error(`no row for ${path}`);
  return found;
};

describe("the docker field table", () => {
  it("has exactly one row for every config key", () => {
    const paths = dockerDriver.fields.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    for (const key of Object.keys(dockerSchema.shape)) expect(paths).toContain(`docker.${key}`);
    for (const key of ["source", "access", "target", "provider"]) expect(paths).toContain(`workspace.${key}`);
    for (const key of ["env", "secrets", "setup", "ready"]) expect(paths).toContain(key);
  });

  it.each<[string, Json | undefined, Json | undefined, string]>([
    ["docker.memory", 1, 2, "live"],
    ["docker.memory", undefined, 2, "live"],
    ["docker.memory", null, 2, "live"],
    ["docker.memory", 2, undefined, "recreate"],
    ["docker.memory_swap", "unlimited", 2, "live"],
    ["docker.memory_swap", 2, undefined, "recreate"],
    ["docker.cpus", 0.5, 1, "live"],
    ["docker.cpus", null, 1, "live"],
    ["docker.cpus", 1, undefined, "recreate"],
    ["docker.cpus", "0.5 (quota 50000/100000)", 0.5, "recreate"],
    ["docker.pids", 5, "unlimited", "live"],
    ["docker.restart", "no", "always", "live"],
    ["docker.image", "a", "b", "recreate"],
    ["docker.engine_limits", "cpu_shares=2", undefined, "recreate"],
    ["docker.stop_timeout", 1, 2, "ignored"],
  ])("%s from %j to %j: %s", (path, before, after, expected) => {
    expect(row(path).classify(before, after)).toBe(expected);
  });

  it("hashes what can only be recreated, and nothing that can change in place", () => {
    for (const { path, hashed, classify } of dockerDriver.fields) {
      if (hashed) expect(classify(1, 2), path).toBe("recreate");
    }
    for (const path of ["memory", "memory_swap", "cpus", "pids", "restart", "image"]) {
      expect(row(`docker.${path}`).hashed).toBe(false);
    }
  });
});
