import { describe, expect, it } from "vitest";
import { placeSession } from "../../src/desire/sessions.ts";
import type { Mode, Scope } from "../../src/model/settings.ts";

describe("where a session's commands run", () => {
  it.each<[Mode, Scope, string, string | undefined]>([
    ["off", "session", "main", undefined],
    ["off", "session", "review", undefined],
    ["off", "agent", "main", undefined],
    ["off", "agent", "review", undefined],
    ["off", "shared", "main", undefined],
    ["off", "shared", "review", undefined],
    ["non-main", "session", "main", undefined],
    ["non-main", "session", "review", "session/agent:work:review"],
    ["non-main", "agent", "main", undefined],
    ["non-main", "agent", "review", "agent/work"],
    ["non-main", "shared", "main", undefined],
    ["non-main", "shared", "review", "shared"],
    ["all", "session", "main", "session/agent:work:main"],
    ["all", "session", "review", "session/agent:work:review"],
    ["all", "agent", "main", "agent/work"],
    ["all", "agent", "review", "agent/work"],
    ["all", "shared", "main", "shared"],
    ["all", "shared", "review", "shared"],
  ])("mode %s, scope %s, session %s: %s", (mode, scope, session, address) => {
    const placement = placeSession({ mode, scope }, "work", session);
    expect(placement.sandboxed ? placement.address : undefined).toBe(address);
    expect(placement.why).toContain(placement.sandboxed ? scope : mode);
  });
});
