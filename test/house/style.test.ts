import { describe, expect, it } from "vitest";
import { maskSource } from "./source.ts";
import { checkStyle } from "./style.ts";

function judge(text: string, path = "src/plan/order.ts"): readonly string[] {
  return checkStyle([{ path, text }]).map(({ line, what }) => `${line}: ${what}`);
}

describe("style", () => {
  it.each([
    ["enum Color { red }", "has an enum"],
    ["export const enum Color { red }", "has an enum"],
    ["export namespace A {}", "has a namespace"],
    ["export default 1;", "has a default export"],
    ["export { plan as default };", "has a default export"],
    ["function f(x: any) {}", "uses the type any"],
    ["const xs: any[] = [];", "uses the type any"],
    ["let m: Map<string, any>;", "uses the type any"],
    ["type F = (x: string) => any;", "uses the type any"],
    ["const a = b as string;", "casts with `as`"],
    ["const a = f(b) as { readonly x: 1 };", "casts with `as`"],
    ["const a = { b } as B;", "casts with `as`"],
    ["const first = list[0]!;", "has `!` without a reason beside it"],
    ["list.at(0)!.name;", "has `!` without a reason beside it"],
    ['if (spec.backend === "docker") run();', "compares a backend by name"],
    ['if ("docker" !== spec.backend) run();', "compares a backend by name"],
    ['if (spec.backend == "local") run();', "compares a backend by name"],
    ['switch (spec.backend) { case "memory": run(); }', "compares a backend by name"],
    ['const remote = name === "ssh" ? 1 : 2;', "compares a backend by name"],
    ['export { a } from "./a.ts";\nexport type * from "./b.ts";', "is a barrel"],
    ["const x = 1; // TODO later", "has unfinished work"],
    ["/* FIXME */", "has unfinished work"],
    ["x\n".repeat(301), "is longer than 300 lines"],
    ["const now = Date.now();", "is of a pure stage and reads clock, chance or environment"],
    ["const now = new Date();", "is of a pure stage and reads clock, chance or environment"],
    ["const home = process.env.HOME;", "is of a pure stage and reads clock, chance or environment"],
  ])("flags %j", (text, what) => {
    expect(judge(text)).toEqual([expect.stringContaining(what)]);
  });

  it.each([
    "const a = ['x'] as const;",
    "const a = { b: 1 } satisfies B;",
    'import { a as b } from "./a.ts";\nconst c = b;',
    'import * as a from "./a.ts";\nconst c = a;',
    "const a = 1;\nexport { a as b };",
    "type Getters<T> = { [K in keyof T as Name<K>]: () => T[K] };",
    "const text = 'b as string';",
    "const text = `enum Color { red }`;",
    "// it is as good as any other, so export default\nconst a = 1;",
    "schema.any();",
    "const ok = a !== b && !c;",
    "// the list was checked to have one above\nconst first = list[0]!;",
    'if (access === "local") run();',
    'const hidden = path.some((key) => key === "docker");',
    'switch (spec.kind) { case "memory": run(); }',
    'export { a } from "./a.ts";\nexport const own = 1;',
    "x\n".repeat(300),
    "const at = new Date(now);",
  ])("accepts %j", (text) => {
    expect(judge(text)).toEqual([]);
  });

  it("lets drivers know their own name", () => {
    expect(judge('if (backend === "docker") run();', "src/drivers/docker/index.ts")).toEqual([]);
  });

  it("lets only the index be a barrel", () => {
    expect(judge('export { a } from "./a.ts";', "src/index.ts")).toEqual([]);
  });

  it("keeps the flow short enough to be read first", () => {
    expect(judge("x\n".repeat(100), "src/reconcile.ts")).toHaveLength(1);
    expect(judge("x\n".repeat(99), "src/reconcile.ts")).toEqual([]);
  });

  it.each(["src/plan/helpers.ts", "src/plan/utils.ts", "src/plan/runPlan.ts", "src/plan/Plan.ts"])(
    "refuses the name %s",
    (path) => {
      expect(judge("const a = 1;", path)).toHaveLength(1);
    },
  );

  it("lets stages that do I/O read the clock", () => {
    expect(judge("const now = Date.now();", "src/apply/run.ts")).toEqual([]);
  });
});

describe("maskSource", () => {
  it("blanks comments, strings, templates and regular expressions, and nothing else", () => {
    const text = "a('b') // c\n/* d\n */ `e${f(`g`)}h` + x / y / z + /i[/]j/.test(k);\n";
    expect(maskSource(text)).toBe("a(' ')     \n    \n    ` ${f(` `)} ` + x / y / z + /     /.test(k);\n");
  });

  it("keeps length and lines, also of text that ends too early", () => {
    for (const text of ["'open", "`open ${", "/* open", "/open", "a\\", "`\\", "'\\"]) {
      expect(maskSource(text)).toHaveLength(text.length);
    }
  });
});
