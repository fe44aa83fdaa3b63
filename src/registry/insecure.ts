import { BlockList, isIP } from "node:net";
import { isLoopback } from "./reference.ts";

/** What an engine tells of its registries, by the names of its API. */
interface EngineRegistries {
  readonly IndexConfigs: Readonly<Record<string, { readonly Secure: boolean }>>;
  readonly InsecureRegistryCIDRs: readonly string[];
}

/**
 * Whether an engine may ask a registry without encryption: the registry's own entry says so, otherwise its address. Engines
 * also look names up; here they are not, since another machine's DNS answer could have a login sent in the open.
 */
export function insecureFor(engine: EngineRegistries): (registry: string) => boolean {
  const ranges = rangesOf(engine.InsecureRegistryCIDRs);
  return (registry) => {
    if (isLoopback(registry)) return true;
    const own = engine.IndexConfigs[registry];
    return own === undefined ? isWithin(ranges, hostOf(registry)) : !own.Secure;
  };
}

function rangesOf(cidrs: readonly string[]): BlockList {
  const ranges = new BlockList();
  for (const cidr of cidrs) {
    const [net = "", length = ""] = cidr.split("/");
    const family = familyOf(net);
    const most = family === "ipv6" ? 128 : 32;
    // What is no range holds no registry.
    if (family === undefined || !/^\d{1,3}$/.test(length) || Number(length) > most) continue;
    ranges.addSubnet(net, Number(length), family);
  }
  return ranges;
}

function isWithin(ranges: BlockList, host: string): boolean {
  const family = familyOf(host);
  return family !== undefined && ranges.check(host, family);
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6";
}

function hostOf(registry: string): string {
  return registry.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}
