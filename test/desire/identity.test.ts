import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runtimeName } from "../../src/desire/identity.ts";
import type { Address } from "../../src/model/names.ts";
import { isAddress, sessionKey, slotOf } from "../../src/model/names.ts";

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.constant<Address>("shared"),
  name.map((agent): Address => `agent/${agent}`),
  fc.tuple(name, name).map(([agent, session]): Address => `session/${sessionKey(agent, session)}`),
);
const fleet = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,31}$/);

describe("a runtime's name", () => {
  it("is the same on every machine and in every version", () => {
    expect(runtimeName("sandkeep", "team", "agent/work")).toBe("sandkeep-team-agent-work-e14e134e");
    expect(runtimeName("sandkeep", "team", "shared")).toBe("sandkeep-team-shared-f9889066");
    expect(runtimeName("sk", "team", "session/agent:work:pr-12")).toBe(
      "sk-team-session-agent-work-pr-12-b1dbeaae",
    );
  });

  it("keeps apart addresses that look alike to an engine", () => {
    const alike: Address[] = ["agent/a.b", "agent/a-b", "agent/A-b", "agent/a_b", "session/agent:a:b"];
    expect(new Set(alike.map((each) => runtimeName("sandkeep", "team", each))).size).toBe(alike.length);
  });

  it("differs between addresses, and between fleets", () => {
    fc.assert(
      fc.property(fleet, address, fleet, address, (fleetA, a, fleetB, b) => {
        const same = fleetA === fleetB && a === b;
        expect(runtimeName("sandkeep", fleetA, a) === runtimeName("sandkeep", fleetB, b)).toBe(same);
      }),
      { numRuns: 300 },
    );
  });

  it("is one an engine takes, holds its fleet, and is never another's `.new` or `.old`", () => {
    fc.assert(
      fc.property(fleet, address, (team, at) => {
        expect(isAddress(at)).toBe(true);
        const made = runtimeName("sandkeep", team, at);
        expect(made).toMatch(/^[a-z0-9][a-z0-9_-]*-[0-9a-f]{8}$/);
        expect(made).not.toMatch(/--[0-9a-f]{8}$/);
        expect(made.startsWith(`sandkeep-${team}-`)).toBe(true);
        expect(made.length).toBeLessThanOrEqual(16 + 1 + 32 + 1 + 28 + 9);
        expect(slotOf(made, made.slice(0, -4))).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
