import { describe, expect, it } from "vitest";
import { checkImports, mayImport, roomOf } from "./rooms.ts";

function judge(path: string, text: string): readonly string[] {
  return checkImports([{ path, text }]).map(({ line, what }) => `${line}: ${what}`);
}

describe("rooms", () => {
  it.each([
    ["src/model/plan.ts", "model"],
    ["src/config/schema/sandbox.ts", "config"],
    ["src/errors.ts", "errors"],
    ["src/reconcile.ts", "reconcile"],
    ["src/drivers/driver.ts", "driver contract"],
    ["src/drivers/registry.ts", "driver registry"],
    ["src/drivers/docker/spec.ts", "driver docker"],
    ["controllers/fleet.ts", "controllers"],
    ["src/drivers/stray.ts", undefined],
    ["src/misc/stray.ts", undefined],
    ["src/stray.ts", undefined],
  ])("%s is in %s", (path, room) => {
    expect(roomOf(path)).toBe(room);
  });

  it.each([
    ["plan", "diff"],
    ["plan", "model"],
    ["cli", "serve"],
    ["config", "state"],
    ["loop", "runs"],
    ["cli", "render"],
    ["driver docker", "driver contract"],
    ["driver docker", "remote"],
    ["driver buildkit", "registry"],
    ["cli", "remote"],
    ["render", "model"],
    ["desire", "driver registry"],
  ])("%s may import %s", (from, to) => {
    expect(mayImport(from, to)).toBe(true);
  });

  it.each([
    ["diff", "plan"],
    ["model", "util"],
    ["model", "errors"],
    ["state", "config"],
    ["config", "driver contract"],
    ["runs", "stage"],
    ["plan", "render"],
    ["render", "errors"],
    ["driver docker", "driver local"],
    ["driver docker", "config"],
    ["driver docker", "state"],
    ["remote", "config"],
    ["remote", "driver contract"],
    ["state", "remote"],
    ["registry", "remote"],
    ["registry", "driver contract"],
    ["driver contract", "driver registry"],
    ["cli", "driver docker"],
    ["cli", "index"],
    ["serve", "cli"],
    ["apply", "reconcile"],
  ])("%s must not import %s", (from, to) => {
    expect(mayImport(from, to)).toBe(false);
  });
});

describe("imports", () => {
  it("flags a wrong direction, with its line", () => {
    expect(
      judge("src/diff/diff.ts", 'import { a } from "../model/a.ts";\nimport { b } from "../plan/plan.ts";'),
    ).toEqual(["2: diff must not import plan (src/plan/plan.ts)"]);
  });

  it.each([
    ["a type import", 'import type { P } from "../plan/plan.ts";'],
    ["a side effect", 'import "../plan/plan.ts";'],
    ["a re-export", 'export { plan } from "../plan/plan.ts";'],
    ["a star", 'export * from "../plan/plan.ts";'],
    ["a dynamic import", 'const p = await import("../plan/plan.ts");'],
    ["a dynamic import with a template", "const p = await import(`../plan/plan.ts`);"],
    ["an import type", 'type P = import("../plan/plan.ts").Plan;'],
    ["require", 'const p = require("../plan/plan.ts");'],
    ["a list over several lines", 'import {\n  a,\n  b,\n} from "../plan/plan.ts";'],
    ["an import inside a template", 'const s = `${await import("../plan/plan.ts")}`;'],
    ["code after a regular expression with quotes", 'const r = /["\'`]/;\nimport("../plan/plan.ts");'],
  ])("sees %s", (_, text) => {
    expect(judge("src/diff/diff.ts", text)).toHaveLength(1);
  });

  it.each([
    ["a comment", '// import { x } from "../plan/plan.ts";\n/* import("../plan/plan.ts") */'],
    ["a string", `const s = 'import { x } from "../plan/plan.ts"';`],
    ["a template", 'const s = `import { x } from "../plan/plan.ts"`;'],
    ["a method called require", "driver.require(settings);"],
  ])("ignores %s", (_, text) => {
    expect(judge("src/diff/diff.ts", text)).toEqual([]);
  });

  it("lets only the registry name drivers, and only lazily", () => {
    const lazy = 'export const docker = () => import("./docker/index.ts");';
    expect(judge("src/drivers/registry.ts", lazy)).toEqual([]);
    expect(judge("src/drivers/registry.ts", 'import { d } from "./docker/index.ts";')).toHaveLength(1);
    expect(judge("src/cli/main.ts", 'const d = import("../drivers/docker/index.ts");')).toHaveLength(1);
    expect(judge("src/drivers/ssh/index.ts", 'import { d } from "../docker/index.ts";')).toHaveLength(1);
  });

  it("refuses what it cannot follow", () => {
    expect(judge("src/cli/main.ts", "await import(name);")).toEqual(["1: import() of a computed path"]);
    expect(judge("src/cli/main.ts", "await import(`./${name}.ts`);")).toEqual([
      "1: import() of a computed path",
    ]);
    expect(judge("src/cli/main.ts", 'import { a } from "./commands";')).toHaveLength(1);
    expect(judge("src/cli/main.ts", 'import { a } from "../../test/support/a.ts";')).toHaveLength(1);
  });

  it("keeps model to zod and pure stages to values", () => {
    expect(judge("src/model/a.ts", 'import * as z from "zod";')).toEqual([]);
    expect(judge("src/model/a.ts", 'import { join } from "node:path";')).toHaveLength(1);
    expect(judge("src/model/a.ts", 'import json5 from "canonicalize";')).toHaveLength(1);
    expect(judge("src/plan/a.ts", 'import { join } from "node:path";')).toEqual([]);
    expect(judge("src/plan/a.ts", 'import { readFile } from "node:fs/promises";')).toHaveLength(1);
  });

  it("keeps a library in its home", () => {
    expect(judge("src/remote/client.ts", 'import { Client } from "ssh2";')).toEqual([]);
    expect(judge("src/observe/a.ts", 'import type { Client } from "ssh2";')).toHaveLength(1);
    expect(judge("src/observe/a.ts", 'const d = await import("ssh2/lib/utils");')).toHaveLength(1);
  });

  it("lets a library without a fixed home live in one room only", () => {
    const first = { path: "src/util/a.ts", text: 'import w from "@scope/writer/sub";' };
    const same = { path: "src/util/b.ts", text: 'import w from "@scope/writer";' };
    const other = { path: "src/state/c.ts", text: 'import w from "@scope/writer";' };
    expect(checkImports([first, same])).toEqual([]);
    expect(checkImports([first, same, other])).toEqual([
      { path: "src/state/c.ts", line: 1, what: "@scope/writer already lives in src/util/a.ts" },
    ]);
  });
});
