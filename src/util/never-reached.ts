import { BlockList, isIP } from "node:net";

/** Itself, link-local ones, where clouds keep their metadata, groups, and none at all: what no gate leads to. */
const NEVER: readonly (readonly [base: string, bits: number])[] = [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 3],
  ["100.100.100.200", 32],
  ["::", 96],
  ["64:ff9b::", 96],
  ["fe80::", 10],
  ["ff00::", 8],
  ["fd00:ec2::254", 128],
];

/** Whether a rule such as `10.0.0.5:5432` or `[fd00::5]` names one of these, or this machine by its name. */
export function isNeverReached(rule: string): boolean {
  const host = (/^\[(.*)\](?::\d+)?$/.exec(rule)?.[1] ?? rule.replace(/:\d+$/, "")).toLowerCase();
  if (isIP(host) === 0) return /(?:^|\.)localhost\.?$/.test(host);
  const list = new BlockList();
  for (const [base, bits] of NEVER) list.addSubnet(base, bits, family(base));
  return host.startsWith("::ffff:") || list.check(host, family(host));
}

function family(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
