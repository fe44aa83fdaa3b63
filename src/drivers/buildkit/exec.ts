/** Runs one command as a build of its own: code and streams are what it made, and what it changed is handed back. */
import { SandkeepError } from "../../errors.ts";
import type { ImageIdentity } from "../../model/spec.ts";
import { byDigest } from "../../registry/reference.ts";
import type { ExecHandle, ExecRequest } from "../driver.ts";
import type { ExecContext } from "./build-run.ts";
import { BuildRun, SECRET } from "./build-run.ts";
import { bridgeFor } from "./client.ts";
import { askWorkers } from "./control.ts";
import { commandScript } from "./dockerfile.ts";
import { buildkitError } from "./errors.ts";
import type { BuildSpec } from "./spec.ts";
import { readSpec } from "./spec.ts";

/** What one variable of an environment can hold. */
const LONGEST_COMMAND = 128 * 1024 - SECRET.length - 2;

export async function execute(context: ExecContext, request: ExecRequest): Promise<ExecHandle> {
  const { build } = request;
  if (build === undefined) {
    throw new SandkeepError("a build needs a spec", { code: "INTERNAL", blame: "tool" });
  }
  if (request.tty !== undefined) {
    throw new SandkeepError("a command of the buildkit backend has no terminal", {
      code: "BUILDKIT_NO_TERMINAL",
      hint: "use `sandkeep run -- CMD…`, or an agent of another backend",
    });
  }
  const spec = fixed(readSpec(build.spec), build.image);
  const script = scriptOf(request, spec);
  // A client would go on trying for a while, and tell less.
  await askWorkers(context.dialer);
  const bridge = await bridgeFor(context.found, context.dialer);
  try {
    const run = new BuildRun(context, { request, build, spec, script }, bridge);
    await run.start();
    return {
      result: run.result,
      signal: (name) => run.signal(name),
      resize: async () => {},
    };
  } catch (thrown) {
    await bridge[Symbol.asyncDispose]();
    throw buildkitError("start the build", thrown);
  }
}

/** A build that is to have exactly this image names its digest, whatever the tag means by then. */
function fixed(spec: BuildSpec, image: ImageIdentity | undefined): BuildSpec {
  if (image === undefined) return spec;
  return { ...spec, buildkit: { ...spec.buildkit, image: byDigest(image.ref, image.digest) } };
}

function scriptOf({ argv, env, cwd }: ExecRequest, spec: BuildSpec): string {
  const script = commandScript({ argv, env: { ...spec.env, ...env }, cwd: cwd ?? spec.workspace.target });
  if (Buffer.byteLength(script) <= LONGEST_COMMAND) return script;
  throw new SandkeepError("the command and its environment are longer than a build can be given (128 KiB)", {
    code: "BUILDKIT_COMMAND_TOO_LONG",
    hint: "put what is long into a file of the workspace",
  });
}
