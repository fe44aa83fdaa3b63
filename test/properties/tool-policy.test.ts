import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_ALLOW, DEFAULT_DENY } from "../../src/policy/tool-names.ts";
import { matchesTool } from "../../src/policy/tool-patterns.ts";
import type { EffectiveToolPolicy, ToolList } from "../../src/policy/tools.ts";
import { judgeTool } from "../../src/policy/tools.ts";
import { formatKeyPath } from "../../src/model/source.ts";

const tools = ["exec", "read", "write", "web_fetch", "browser", "gateway", "slack", "sessions_list", "mine"];
const tool = fc.constantFrom(...tools);
const pattern = fc.oneof(
  tool,
  fc.constantFrom("*", "sessions_*", "*e*", "group:fs", "group:ui", "group:own", "bash"),
);
const patterns = fc.array(pattern, { maxLength: 4 });
const list = (key: string[]) =>
  fc.option(
    patterns.map((each): ToolList => ({ patterns: each, key })),
    { nil: undefined },
  );

const policy = fc.record({
  agent: fc.constant("a"),
  allow: list(["agents", "a", "tools", "sandbox", "allow"]),
  deny: list(["tools", "sandbox", "deny"]),
  also_allow: list(["tools", "sandbox", "also_allow"]).map((each) => (each === undefined ? [] : [each])),
  groups: fc.constant({ own: ["mine", "group:own"] }),
  locate: fc.constant(() => undefined),
});

/** What a person does who follows the advice, key by key. */
function follow(before: EffectiveToolPolicy, name: string): EffectiveToolPolicy {
  const keys = new Set(judgeTool(before, name, true).fix.map(({ key }) => key));
  const add = (each: ToolList): ToolList =>
    keys.has(formatKeyPath(each.key)) ? { ...each, patterns: [...each.patterns, name] } : each;
  const { allow, deny, also_allow } = before;
  const also =
    also_allow.length === 0 ? [{ patterns: [], key: ["tools", "sandbox", "also_allow"] }] : also_allow;
  return {
    ...before,
    allow: allow === undefined ? undefined : add(allow),
    deny:
      deny === undefined
        ? undefined
        : { ...deny, patterns: deny.patterns.filter((_, i) => !keys.has(formatKeyPath([...deny.key, i]))) },
    also_allow: also.map(add),
  };
}

describe("the tool policy", () => {
  it("lets deny win over everything", () => {
    fc.assert(
      fc.property(policy, tool, (each, name) => {
        const denied = each.deny?.patterns.some((one) => matchesTool(one, name, each.groups)) ?? false;
        if (denied)
          expect(judgeTool(each, name, true)).toMatchObject({ verdict: "blocked", rule: { list: "deny" } });
      }),
    );
  });

  it("allows only what some allow list names", () => {
    fc.assert(
      fc.property(policy, tool, (each, name) => {
        if (judgeTool(each, name, true).verdict !== "allowed") return;
        const lists = [each.allow?.patterns ?? DEFAULT_ALLOW, ...each.also_allow.map((one) => one.patterns)];
        expect(lists.flat().some((one) => matchesTool(one, name, each.groups))).toBe(true);
      }),
    );
  });

  it("gives advice that works: after it the tool is allowed", () => {
    fc.assert(
      fc.property(policy, tool, (each, name) => {
        const { verdict, fix } = judgeTool(each, name, true);
        expect(fix.length > 0).toBe(verdict === "blocked");
        expect(judgeTool(follow(each, name), name, true).verdict).toBe("allowed");
      }),
      { numRuns: 500 },
    );
  });

  it("blocks by default what acts outside the sandbox", () => {
    const nothing: EffectiveToolPolicy = {
      agent: "a",
      allow: undefined,
      deny: undefined,
      also_allow: [],
      groups: {},
      locate: () => undefined,
    };
    for (const name of tools.filter((each) => DEFAULT_DENY.some((one) => matchesTool(one, each, {})))) {
      expect(judgeTool(nothing, name, true)).toMatchObject({
        verdict: "blocked",
        rule: { list: "default-deny" },
      });
    }
  });

  it("matches globs as the obvious regular expression does", () => {
    const glob = fc.array(fc.constantFrom("*", "a", "b", "."), { maxLength: 7 }).map((each) => each.join(""));
    const text = fc.array(fc.constantFrom("a", "b", "."), { maxLength: 7 }).map((each) => each.join(""));
    fc.assert(
      fc.property(glob, text, (one, name) => {
        const pieces = one.split("*").map((piece) => piece.replaceAll(".", "\\."));
        expect(matchesTool(one, name, {})).toBe(new RegExp(`^${pieces.join(".*")}$`).test(name));
      }),
      { numRuns: 1000 },
    );
  });
});
