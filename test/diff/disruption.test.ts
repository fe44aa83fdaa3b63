import { describe, expect, it } from "vitest";
import { gate } from "../../src/diff/disruption.ts";
import type { Verdict } from "../../src/diff/verdict.ts";
import type { DisruptionSettings } from "../../src/model/settings.ts";
import { HOUR, NOW, found, wish } from "../support/runtimes.ts";
import { context, situationOf } from "./situations.ts";

const replace: Verdict = { action: "recreate", why: "it drifted", origin: "config", reasons: [] };

interface Case {
  readonly policy?: DisruptionSettings;
  readonly busy?: number;
  /** Hours since it was first put off. */
  readonly waited?: number;
  readonly declared?: boolean;
}

function judge({ policy, busy = 0, waited, declared = true }: Case, verdict: Verdict = replace): Verdict {
  const desired = wish(policy === undefined ? {} : { settings: { disruption: policy } });
  const situation = situationOf({
    ...(declared ? { desired } : {}),
    current: found(desired),
    usage: { busy, age_ms: 0 },
  });
  const deferredSince = () => (waited === undefined ? undefined : NOW - waited * HOUR);
  return gate(situation, { ...context(), deferredSince }, verdict);
}

const idle: DisruptionSettings = { when: "idle", max_wait: HOUR };

describe("a disruption that nobody asked for by name", () => {
  it.each<[string, Case, "goes on" | "waited" | "busy" | "disruption"]>([
    ["now, busy", { policy: { when: "now", max_wait: HOUR }, busy: 1 }, "goes on"],
    ["idle, and it is", { policy: idle }, "goes on"],
    ["idle, and it is not", { policy: idle, busy: 1 }, "busy"],
    ["idle, put off for less than max_wait", { policy: idle, busy: 1, waited: 0.99 }, "busy"],
    ["idle, put off for max_wait", { policy: idle, busy: 1, waited: 1 }, "waited"],
    [
      "idle, without an end to the waiting",
      { policy: { when: "idle", max_wait: "off" }, busy: 1, waited: 999 },
      "busy",
    ],
    ["idle, without any waiting", { policy: { when: "idle", max_wait: 0 }, busy: 1 }, "waited"],
    ["never, idle", { policy: { when: "never", max_wait: HOUR } }, "disruption"],
    [
      "never, busy, and after any time",
      { policy: { when: "never", max_wait: HOUR }, busy: 1, waited: 9 },
      "disruption",
    ],
    ["undeclared: as by default, idle", { declared: false, busy: 1 }, "busy"],
    ["undeclared, after an hour", { declared: false, busy: 1, waited: 1 }, "waited"],
  ])("%s", (_title, which, expected) => {
    const verdict = judge(which);
    if (expected === "goes on") expect(verdict).toBe(replace);
    else if (expected === "waited")
      expect(judge(which)).toEqual({
        ...replace,
        why: expect.stringMatching(/^it drifted; it is busy, .*max_wait/),
      });
    else expect(verdict).toMatchObject({ action: "blocked", rule: expected, deferred: expected === "busy" });
  });

  it("says until when it waits, counted from when it was first put off", () => {
    expect(judge({ policy: idle, busy: 2, waited: 0.5 })).toMatchObject({
      until: NOW + HOUR / 2,
      why: "it drifted, but it is busy (2 runs that the engine reports); waits at most 30m more",
      fix: expect.stringContaining("sandkeep recreate agent/a"),
    });
    expect(judge({ policy: idle, busy: 1 })).toMatchObject({ until: NOW + HOUR });
    const endless = { when: "idle", max_wait: "off" } as const;
    expect(judge({ policy: endless, busy: 1 })).toMatchObject({
      until: null,
      why: expect.stringContaining("until it is idle"),
    });
  });

  it("has nothing to say where nothing happens", () => {
    const never = { policy: { when: "never", max_wait: HOUR } } as const;
    const rest: Verdict = { action: "none", rest: "up-to-date", why: "" };
    expect(judge(never, rest)).toBe(rest);
  });
});
