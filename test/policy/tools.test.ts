import { describe, expect, it } from "vitest";
import { checkToolPolicy, toolPolicy } from "../../src/policy/tool-policy.ts";
import { judgeTool } from "../../src/policy/tools.ts";
import { lineOf, resolveText } from "../support/fleet-text.ts";

const TEXT = `
[tools.sandbox]
allow = ["group:fs", "exec", "sessions_*"]
deny = ["write", "group:mine"]
also_allow = ["web_fetch"]
[tools.groups]
mine = ["canvas", "group:loop"]
loop = ["group:mine", "nodes"]
[agents.plain]
[agents.strict.tools.sandbox]
allow = []
[agents.open.tools.sandbox]
deny = []
also_allow = ["browser"]
`;

async function judge(text: string, agent: string, tool: string, sandboxed = true) {
  const { loaded } = await resolveText(text);
  return judgeTool(toolPolicy(loaded, agent), tool, sandboxed);
}

describe("the fleet's and the agent's tool lists", () => {
  it.each([
    ["plain", "read", "allowed", "allow", "group:fs", "tools.sandbox.allow[0]", "allow = ["],
    ["plain", "bash", "allowed", "allow", "exec", "tools.sandbox.allow[1]", "allow = ["],
    ["plain", " EXEC ", "allowed", "allow", "exec", "tools.sandbox.allow[1]", "allow = ["],
    ["plain", "sessions_list", "allowed", "allow", "sessions_*", "tools.sandbox.allow[2]", "allow = ["],
    ["plain", "web_fetch", "allowed", "also_allow", "web_fetch", "tools.sandbox.also_allow[0]", "also_allow"],
    ["plain", "write", "blocked", "deny", "write", "tools.sandbox.deny[0]", "deny = ["],
    ["plain", "nodes", "blocked", "deny", "group:mine", "tools.sandbox.deny[1]", "deny = ["],
    ["plain", "process", "blocked", "not-listed", undefined, "tools.sandbox.allow", "allow = ["],
    ["strict", "read", "blocked", "not-listed", undefined, "agents.strict.tools.sandbox.allow", "allow = []"],
    [
      "strict",
      "web_fetch",
      "allowed",
      "also_allow",
      "web_fetch",
      "tools.sandbox.also_allow[0]",
      "also_allow",
    ],
    ["open", "write", "allowed", "allow", "group:fs", "tools.sandbox.allow[0]", "allow = ["],
    [
      "open",
      "browser",
      "allowed",
      "also_allow",
      "browser",
      "agents.open.tools.sandbox.also_allow[0]",
      '"browser"',
    ],
    ["open", "web_fetch", "allowed", "also_allow", "web_fetch", "tools.sandbox.also_allow[0]", '"web_fetch"'],
  ])("agent %s, %s: %s by %s", async (agent, tool, verdict, list, pattern, key, written) => {
    const { verdict: said, rule } = await judge(TEXT, agent, tool);
    expect({ said, list: rule.list, pattern: rule.pattern, key: rule.key, line: rule.source?.line }).toEqual({
      said: verdict,
      list,
      pattern,
      key,
      line: lineOf(TEXT, written),
    });
  });

  it.each([
    ["write", "tools.sandbox.deny[0]", "deny = ["],
    ["canvas", "tools.sandbox.deny[1]", "deny = ["],
    ["process", "tools.sandbox.allow", "allow = ["],
  ])("names the key that frees %s", async (tool, key, written) => {
    const { fix } = await judge(TEXT, "plain", tool);
    expect(fix[0]).toMatchObject({ key, file: "sandkeep.toml", line: lineOf(TEXT, written) });
  });

  it("names the agent's key where the agent decides", async () => {
    const { fix } = await judge(TEXT, "strict", "process");
    expect(fix).toMatchObject([
      { key: "agents.strict.tools.sandbox.allow", file: "sandkeep.toml", line: lineOf(TEXT, "allow = []") },
    ]);
  });

  it("names every pattern in the way, and the list that lacks the tool as well", async () => {
    const text = '[tools.sandbox]\nallow = ["read"]\ndeny = ["exec", "ex*"]\n[agents.a]\n';
    const { fix } = await judge(text, "a", "exec");
    expect(fix.map(({ key }) => key)).toEqual([
      "tools.sandbox.deny[0]",
      "tools.sandbox.deny[1]",
      "tools.sandbox.allow",
    ]);
  });
});

describe("without any list", () => {
  const text = "[agents.a]\n";
  it.each([
    ["exec", "allowed", "default-allow"],
    ["apply-patch", "allowed", "default-allow"],
    ["gateway", "blocked", "default-deny"],
    ["cron", "blocked", "default-deny"],
    ["slack", "blocked", "default-deny"],
    ["web_fetch", "blocked", "not-listed"],
    ["constructor", "blocked", "not-listed"],
    ["__proto__", "blocked", "not-listed"],
  ])("%s is %s by %s", async (tool, verdict, list) => {
    const judged = await judge(text, "a", tool);
    expect({ verdict: judged.verdict, list: judged.rule.list }).toEqual({ verdict, list });
    if (verdict === "allowed") expect(judged.fix).toEqual([]);
    else {
      expect(judged.fix).toMatchObject([
        { key: "tools.sandbox.also_allow", file: undefined, line: undefined },
      ]);
    }
  });

  it("lifts a built-in deny where somebody names the tool", async () => {
    const named = '[tools.sandbox]\nalso_allow = ["browser", "group:channels"]\n[agents.a]\n';
    expect(await judge(named, "a", "browser")).toMatchObject({
      verdict: "allowed",
      rule: { list: "also_allow" },
    });
    expect(await judge(named, "a", "slack")).toMatchObject({ verdict: "allowed" });
    expect(await judge(named, "a", "canvas")).toMatchObject({
      verdict: "blocked",
      rule: { list: "default-deny" },
    });
    expect(await judge(named, "a", "exec")).toMatchObject({
      verdict: "allowed",
      rule: { list: "default-allow" },
    });
  });
});

it("does not apply to a session on the host, and says so", async () => {
  const judged = await judge(TEXT, "plain", "write", false);
  expect(judged).toMatchObject({ verdict: "allowed", rule: { list: "not-sandboxed" }, fix: [] });
  expect(judged.message).toContain("does not apply");
});

it("takes only * for special", async () => {
  const text = '[tools.sandbox]\nallow = ["a.c", "x[yz]", "*_*_end", "**"]\ndeny = ["q+"]\n[agents.a]\n';
  const pattern = async (tool: string) => (await judge(text, "a", tool)).rule.pattern;
  expect(await pattern("a.c")).toBe("a.c");
  expect(await pattern("abc")).toBe("**");
  expect(await pattern("xy")).toBe("**");
  expect(await pattern("one_two_end")).toBe("*_*_end");
  expect(await pattern("qq")).toBe("**");
  expect(await pattern("q+")).toBe("q+");
});

it("judges a hostile glob at once", async () => {
  const text = `[tools.sandbox]\nallow = ["${"*a".repeat(2000)}"]\n[agents.a]\n`;
  const { loaded } = await resolveText(text);
  const policy = toolPolicy(loaded, "a");
  expect(judgeTool(policy, "a".repeat(1999), true)).toBeDefined();
});

it("reports groups that nobody declared, wherever they are named", async () => {
  const text =
    '[tools.sandbox]\ndeny = ["exec", "group:runtme"]\n[tools.groups]\nmine = ["group:qqqqqq"]\n[agents.a.tools.sandbox]\nallow = ["group:mine", "group:fs"]\n';
  const { loaded } = await resolveText(text);
  expect(checkToolPolicy(loaded)).toMatchObject([
    {
      severity: "error",
      code: "unknown-tool-group",
      path: "tools.sandbox.deny[1]",
      line: lineOf(text, "deny"),
      hint: 'did you mean "group:runtime"?',
    },
    { code: "unknown-tool-group", path: "tools.groups.mine[0]" },
  ]);
});
