import { describe, expect, it } from "vitest";
import type { Decision } from "../../src/diff/diff.ts";
import type { PlanRequest } from "../../src/model/intent.ts";
import type { SalvageSettings } from "../../src/model/salvage.ts";
import { blockOnSalvage } from "../../src/plan/salvage.ts";
import { BUILT_IN } from "../../src/resolve/defaults.ts";
import { situationOf } from "../diff/situations.ts";
import { found, memory, wish } from "../support/runtimes.ts";

type When = SalvageSettings["when"];
const settings = (when: When): SalvageSettings => ({ ...BUILT_IN.salvage, when });
const destroy: PlanRequest = { intent: { mode: "destroy", unprotect: false } };
const mark = { address: "agent/a", since: 0, reason: "idle" } as const;

const wanted = (when: When, provider: "bind" | "volume" = "volume") =>
  wish({ module: { ...memory, provider: () => provider }, settings: { salvage: settings(when) } });

function decision(
  desired: ReturnType<typeof wish> | undefined,
  more: Partial<Decision["situation"]> = {},
  workspace: "keep" | "delete" = "delete",
): Decision {
  return {
    situation: situationOf({ ...(desired === undefined ? {} : { desired }), mark, ...more }),
    verdict: {
      action: "remove",
      why: "asked for",
      cause: "requested",
      reasons: [],
      dormant: false,
      workspace,
    },
  };
}

const judged = (one: Decision, request = destroy, fleet?: When): string =>
  blockOnSalvage([one], request, fleet === undefined ? undefined : settings(fleet))
    .map(({ verdict }) => (verdict.action === "blocked" ? verdict.rule : verdict.action))
    .join();

describe("a workspace whose runtime is asleep", () => {
  it.each<[string, string, string]>([
    ["goes where nothing is to be kept", judged(decision(wanted("off"))), "remove"],
    [
      "goes by a person's word where only what nobody asked for is kept",
      judged(decision(wanted("unattended"))),
      "remove",
    ],
    ["stays where a bundle of it would have to be kept", judged(decision(wanted("always"))), "salvage"],
    [
      "goes when no bundle is wanted this time",
      judged(decision(wanted("always")), { ...destroy, no_salvage: true }),
      "remove",
    ],
    [
      "goes when it is a folder of this machine, which nobody deletes",
      judged(decision(wanted("always", "bind"))),
      "remove",
    ],
    ["goes when it is not deleted", judged(decision(wanted("always"), {}, "keep")), "remove"],
    [
      "goes with a runtime that hands it out",
      judged(decision(wanted("always"), { current: found(wanted("always")) })),
      "remove",
    ],
    [
      "stays of one that nobody declares, by what holds for all",
      judged(decision(undefined), destroy, "always"),
      "salvage",
    ],
    ["goes of one that nobody declares where nothing is said", judged(decision(undefined)), "remove"],
  ])("%s", (_, verdict, expected) => {
    expect(verdict).toBe(expected);
  });

  it("says how to go on", () => {
    expect(blockOnSalvage([decision(wanted("always"))], destroy, undefined)).toMatchObject([
      { verdict: { fix: "wake agent/a first (sandkeep run), or give --no-salvage", deferred: false } },
    ]);
  });
});
