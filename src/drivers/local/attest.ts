/**
 * In: a local runtime. Out: what one of its commands sees of what the sandbox promises. Without isolation nothing is
 * promised, so nothing is looked at.
 */
import { Writable } from "node:stream";
import type { Check, Promised } from "../../model/attestation.ts";
import { checkInside } from "../../util/inside-checks.ts";
import { openRuntime } from "./command.ts";
import type { LocalContext } from "./context.ts";
import { execute } from "./exec.ts";
import type { LocalSpec } from "./spec.ts";

export async function attest(context: LocalContext, objectId: string): Promise<readonly Check[]> {
  // The manifest is what commands run with, so that is what is held against them.
  const { spec } = await openRuntime(context, objectId);
  const run = async (script: string, args: readonly string[]) => {
    const chunks: Buffer[] = [];
    const output = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    const argv = ["/bin/sh", "-c", script, "sandkeep-probe", ...args];
    const handle = await execute(context, {
      objectId,
      argv,
      env: {},
      cwd: "/",
      stdout: output,
      stderr: output,
    });
    const { exitCode } = await handle.result;
    return { exitCode, output: Buffer.concat(chunks).toString() };
  };
  return await checkInside(promisesOf(spec), run, () => context.deps.randomId());
}

function promisesOf(spec: LocalSpec): Promised[] {
  if (spec.isolation === "none") return [];
  const { access, target } = spec.workspace;
  const places = [target, ...spec.binds.map((bind) => bind.target)];
  const asked = "bubblewrap";
  const readOnly = (path: string, place: string): Promised => ({
    kind: "read-only",
    path,
    asked: `${place} ro`,
    target: place,
    except: places.filter((each) => each !== place),
  });
  return [
    { kind: "capabilities", path: "local.isolation", asked, most: [] },
    { kind: "no-new-privileges", path: "local.isolation", asked },
    { kind: "read-only", path: "local.isolation", asked, target: "/", except: undefined },
    { kind: "read-only", path: "local.isolation", asked, target: "/usr", except: places },
    ...(access === "ro" ? [readOnly("workspace.access", target)] : []),
    ...spec.binds.filter(({ mode }) => mode === "ro").map((bind) => readOnly("local.binds", bind.target)),
    ...(spec.network === "none"
      ? [{ kind: "no-network" as const, path: "local.network", asked: "none" }]
      : []),
  ];
}
