import { describe, expect, it } from "vitest";
import { lineOf, resolveText } from "../support/fleet-text.ts";

async function told(text: string): Promise<readonly string[]> {
  return (await resolveText(text)).diagnostics.map(({ code, path }) => `${code} ${path}`);
}

describe("one shared runtime", () => {
  it("is fine when agents only differ in what does not shape it", async () => {
    const { diagnostics, fleet } = await resolveText(`
[sandbox]
scope = "shared"
[agents.a]
[agents.b.sandbox]
mode = "non-main"
provision = "on-use"
[agents.c.sandbox]
mode = "off"
backend = "docker"
[agents.d.sandbox]
scope = "agent"
setup = ["true"]
`);
    expect(diagnostics).toEqual([]);
    expect(fleet?.agents).toHaveLength(4);
  });

  it("cannot have what one agent overrides, and both keys are named", async () => {
    const text = `
[sandbox]
backend = "docker"
scope = "shared"
[agents.a]
[agents.work.sandbox]
env = { A = "1" }
[agents.work.sandbox.workspace]
access = "rw"
[agents.work.sandbox.docker]
image = "node:22-slim"
binds = ["./x:/x"]
allowed_roots = ["/srv"]
`;
    const { diagnostics, fleet, draft } = await resolveText(text);
    expect(fleet).toBeUndefined();
    expect(draft.agents).toHaveLength(2);
    const expected = [
      ["agents.work.sandbox.docker.binds[0]", "./x:/x"],
      ["agents.work.sandbox.docker.image", "image ="],
      ["agents.work.sandbox.env.A", "env ="],
      ["agents.work.sandbox.workspace.access", "access ="],
    ] as const;
    expect(
      diagnostics
        .map(({ code, path, line }) => ({ code, path, line }))
        .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    ).toEqual(expected.map(([path, part]) => ({ code: "shared-override", path, line: lineOf(text, part) })));
    for (const { message, hint } of diagnostics) {
      expect(message).toContain(`sandbox.scope (sandkeep.toml:${String(lineOf(text, "scope ="))})`);
      expect(message).toMatch(/agents\.work\.sandbox\.\S+ \(sandkeep\.toml:\d+\)/);
      expect(hint).toContain("[sandbox]");
    }
  });

  it("names the agent's own scope key when the agent asked to share", async () => {
    const text = `
[agents.a]
[agents.b.sandbox]
scope = "shared"
setup = ["true"]
`;
    const { diagnostics } = await resolveText(text);
    expect(diagnostics).toMatchObject([{ code: "shared-override", path: "agents.b.sandbox.setup" }]);
    expect(diagnostics[0]?.message).toContain(
      `agents.b.sandbox.scope (sandkeep.toml:${String(lineOf(text, "scope"))})`,
    );
  });

  it.each([
    ["protect", "protect = true"],
    ["prune.idle", 'prune = { idle = "1h" }'],
    ["prune.max_age", 'prune = { max_age = "off" }'],
    ["disruption.when", 'disruption = { when = "never" }'],
    ["disruption.max_wait", 'disruption = { max_wait = "off" }'],
    ["salvage.when", 'salvage = { when = "always" }'],
    ["salvage.include", 'salvage = { include = ["/root"] }'],
    ["salvage.exclude", 'salvage = { exclude = ["/root/.cache"] }'],
    ["salvage.max_bytes", 'salvage = { max_bytes = "1MiB" }'],
    ["salvage.oversize", 'salvage = { oversize = "truncate" }'],
    ["salvage.keep", "salvage = { keep = 3 }"],
    ["salvage.max_age", 'salvage = { max_age = "1d" }'],
  ])("cannot have two values of %s", async (path, line) => {
    const text = `[sandbox]\nscope = "shared"\n[agents.a]\n[agents.b.sandbox]\n${line}\n`;
    const { diagnostics } = await resolveText(text);
    expect(diagnostics).toMatchObject([
      { code: "shared-policy-conflict", path: `agents.b.sandbox.${path}`, line: lineOf(text, line) },
    ]);
    expect(diagnostics[0]?.message).toContain(`sandbox.${path}`);
  });

  it("may have a policy that all its agents say alike", async () => {
    const { diagnostics } = await resolveText(
      '[sandbox]\nscope = "shared"\n[agents.a.sandbox]\nprotect = true\n[agents.b.sandbox]\nprotect = true\n',
    );
    expect(diagnostics).toEqual([]);
  });

  it("does not depend on the order of agents", async () => {
    const head = '[sandbox]\nscope = "shared"\n';
    const a = '[agents.a.sandbox]\nprune = { idle = "1h" }\n';
    const b = '[agents.b.sandbox]\nprune = { idle = "2h" }\n';
    expect(await told(head + a + b)).toEqual(await told(head + b + a));
    expect(await told(head + a + b)).toHaveLength(2);
  });
});
