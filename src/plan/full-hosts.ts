import type { Decision } from "../diff/diff.ts";
import type { Observation } from "../model/observed.ts";
import type { Host } from "../model/settings.ts";
import { blockedByHost } from "./degraded-hosts.ts";

type Hosts = Readonly<Record<string, Pick<Host, "max_runtimes">>>;

/** Whether some host holds so many and no more: all that is there has to be counted then, whatever is asked about. */
export function countsRuntimes(hosts: Hosts): boolean {
  return Object.values(hosts).some((each) => each.max_runtimes !== undefined);
}

/**
 * Nothing new is made on a host that holds as many runtimes of the fleet as it may. What goes in the same plan makes no
 * room yet: it may go later than what is made, or stay. Pure.
 */
export function blockOnFullHosts(
  decisions: readonly Decision[],
  observations: readonly Observation[],
  hosts: Hosts,
): Decision[] {
  const held = new Map<string, Set<string>>();
  for (const each of observations) {
    if (each.status !== "complete") continue;
    const there = held.get(each.host) ?? new Set<string>();
    for (const { labels } of each.runtimes) there.add(labels.address);
    held.set(each.host, there);
  }
  return decisions.map((decision) => {
    const { address, host, desired } = decision.situation;
    const most = Object.hasOwn(hosts, host) ? hosts[host]?.max_runtimes : undefined;
    const there = held.get(host);
    if (most === undefined || there === undefined || decision.verdict.action !== "create") return decision;
    // A canary is there for a moment, and tells of the host what nothing else does.
    if (there.has(address) || desired?.passing?.role === "canary") return decision;
    if (there.size < most) {
      there.add(address);
      return decision;
    }
    const full = `host ${host} may hold no more than max_runtimes = ${String(most)}`;
    return blockedByHost(
      decision,
      full,
      `raise hosts.${host}.max_runtimes, or destroy there what nobody uses`,
    );
  });
}
