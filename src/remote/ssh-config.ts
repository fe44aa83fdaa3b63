/** Whether an ssh client config says anything of one host in particular. Pure. */
import { matchesHost } from "./known-hosts.ts";

/** A line for every host makes none special; what a file includes or a condition says is not known, so it counts. */
export function configNames(text: string, host: string): boolean {
  return text.split("\n").some((line) => {
    const [, key = "", rest = ""] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
    const word = key.toLowerCase();
    if (word === "include" || word === "match") return true;
    if (word !== "host") return false;
    const patterns = rest.replaceAll('"', "").trim().split(/\s+/);
    return patterns.some((each) => each !== "*") && matchesHost(patterns.join(","), host.toLowerCase());
  });
}
