import type { Decision } from "../diff/diff.ts";
import type { HostStanding } from "../model/facts.ts";
import type { ResolvedFleet } from "../model/settings.ts";

/** No new runtime goes to a host that its canary or its headroom speaks against; what is there stays. */
export function blockOnHosts(decisions: readonly Decision[], hosts: readonly HostStanding[]): Decision[] {
  const against = new Map(hosts.filter((each) => each.blocks).map((each) => [each.host, each]));
  return decisions.map((decision) => {
    const { situation, verdict } = decision;
    const standing = against.get(situation.host);
    if (standing === undefined || (verdict.action !== "create" && verdict.action !== "recreate"))
      return decision;
    // The canary itself is how the host gets out of this.
    if (situation.desired?.passing?.role === "canary") return decision;
    const why = `nothing new is made on host ${standing.host}: ${standing.why}`;
    return blockedByHost(decision, why, fixOf(standing));
  });
}

/** What is to be done, but not there. */
export function blockedByHost({ situation, verdict }: Decision, why: string, fix: string | null): Decision {
  return {
    situation,
    verdict: {
      action: "blocked",
      rule: "host",
      why: `${verdict.why}, but ${why}`,
      fix,
      until: null,
      deferred: false,
      reasons: "reasons" in verdict ? verdict.reasons : [],
    },
  };
}

/** What is said against hosts, by what the config asks for now: limits that left it press on nothing. Pure. */
export function standingsUnder(
  standings: readonly HostStanding[],
  fleet: Pick<ResolvedFleet, "hosts"> | undefined,
): readonly HostStanding[] {
  if (fleet === undefined) return standings;
  return standings.flatMap((each) => {
    if (each.by !== "headroom") return [each];
    const limits = Object.hasOwn(fleet.hosts, each.host) ? fleet.hosts[each.host]?.headroom : undefined;
    return limits === undefined ? [] : [{ ...each, blocks: each.blocks && limits.back_pressure }];
  });
}

export function fixOf({ host, by }: HostStanding): string {
  return by === "canary"
    ? `\`sandkeep canary --host ${host}\` tries again, and frees the host when it passes`
    : `make room there (\`sandkeep host stale ${host}\` tells what could go); \`sandkeep host inspect ${host}\` looks again, and frees the host`;
}
