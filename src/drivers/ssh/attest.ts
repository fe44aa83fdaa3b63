/**
 * In: a runtime on a host. Out: what one of its commands sees of what the sandbox promises. Without isolation nothing is
 * promised, so nothing is looked at.
 */
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { Check, Promised } from "../../model/attestation.ts";
import { checkInside } from "../../util/inside-checks.ts";
import type { SshContext } from "./context.ts";
import { broken } from "./errors.ts";
import { execute } from "./exec.ts";
import { openRuntime } from "./runtime.ts";
import { attestLimits, limitsOf } from "./limits.ts";
import type { SshSpec } from "./spec.ts";
import { readSshSpec } from "./spec.ts";

export async function attest(context: SshContext, objectId: string): Promise<readonly Check[]> {
  // The manifest is what commands run with, so that is what is held against them.
  const { manifest } = await openRuntime(context, objectId);
  if (manifest === undefined) throw broken(objectId);
  const run = async (script: string, args: readonly string[]) => {
    const output = new PassThrough();
    const said = text(output);
    const argv = ["/bin/sh", "-c", script, "sandkeep-probe", ...args];
    const handle = await execute(context, { objectId, argv, env: {}, stdout: output, stderr: output });
    const { exitCode } = await handle.result;
    output.end();
    return { exitCode, output: await said };
  };
  const spec = readSshSpec(manifest.fields);
  const checks = await checkInside(promisesOf(spec), run, () => context.deps.randomId());
  const limits = limitsOf(spec);
  return limits === undefined ? checks : [...checks, ...(await attestLimits(context, objectId, limits))];
}

function promisesOf(spec: SshSpec): Promised[] {
  if (spec["ssh.isolation"] === "none") return [];
  const target = spec["workspace.target"];
  const asked = "bubblewrap";
  const path = "ssh.isolation";
  return [
    { kind: "capabilities", path, asked, most: [] },
    { kind: "no-new-privileges", path, asked },
    { kind: "read-only", path, asked, target: "/", except: undefined },
    { kind: "read-only", path, asked, target: "/usr", except: [target] },
    ...(spec["workspace.access"] === "ro"
      ? [{ kind: "read-only" as const, path: "workspace.access", asked: "ro", target, except: [] }]
      : []),
    ...(spec["ssh.network"] === "none"
      ? [{ kind: "no-network" as const, path: "ssh.network", asked: "none" }]
      : []),
  ];
}
