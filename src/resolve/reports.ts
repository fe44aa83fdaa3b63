import type { Config } from "../config/schema/root.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { THIS_HOST } from "../model/names.ts";
import type { KeyPath, Source } from "../model/source.ts";
import { errorAt } from "./diagnose.ts";

interface Fault {
  readonly key: KeyPath;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** What contradicts itself in `[telemetry]` and `[canary]`. */
export function checkReports(
  { telemetry = {}, canary = {}, hosts = {} }: Config,
  locate: (path: KeyPath) => Source | undefined,
): readonly Diagnostic[] {
  const needed = telemetry.export === "file" ? "file" : telemetry.export === "http" ? "url" : undefined;
  const faults: Fault[] = [];
  if (needed !== undefined && telemetry[needed] === undefined) {
    faults.push({
      key: ["telemetry", "export"],
      code: "telemetry-without-place",
      message: `export = "${telemetry.export ?? ""}" needs telemetry.${needed}`,
      hint: `set telemetry.${needed}, or export = "off"`,
    });
  }
  (canary.hosts ?? []).forEach((name) => {
    if (name === THIS_HOST || Object.hasOwn(hosts, name)) return;
    faults.push({
      key: ["canary", "hosts"],
      code: "unknown-host",
      message: `expected names of hosts in [hosts], got ${JSON.stringify(name)}`,
      hint: `declare it as [hosts.${name}], or remove it here`,
    });
  });
  return faults.map(({ key, ...fault }) => {
    const source = locate(key) ?? locate(key.slice(0, 1));
    return errorAt(source === undefined ? { key } : { key, source }, fault);
  });
}
