import type { Decision } from "../diff/diff.ts";
import type { HostStanding } from "../model/facts.ts";

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
    return {
      situation,
      verdict: {
        action: "blocked",
        rule: "host",
        why: `${verdict.why}, but nothing new is made on host ${standing.host}: ${standing.why}`,
        fix: fixOf(standing),
        until: null,
        deferred: false,
        reasons: verdict.reasons,
      },
    };
  });
}

export function fixOf({ host, by }: HostStanding): string {
  return by === "canary"
    ? `\`sandkeep canary --host ${host}\` tries again, and frees the host when it passes`
    : `make room there (\`sandkeep host inspect ${host}\`, \`host stale ${host}\`); the next look frees the host`;
}
