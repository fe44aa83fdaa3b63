import { SandkeepError } from "../../errors.ts";
import type { Engine } from "./client.ts";
import { Demux } from "./demux.ts";
import { findExec, OWN_EXEC } from "./execs.ts";
import { TARGET_LABEL } from "./mounts.ts";
import type { Container } from "./wire-container.ts";
import { readCreated } from "./wire.ts";

const TIMEOUT_MS = 30_000;
const MOST_OUTPUT = 2000;

export interface OwnResult {
  readonly exitCode: number;
  readonly output: string;
}

/**
 * Runs a short shell script of ours in a container and waits for it. Its arguments arrive as `$1` and on; `$0` says to
 * every observer that this is no use of the runtime.
 */
export async function runOwn(
  engine: Engine,
  objectId: string,
  script: string,
  args: readonly string[],
  options: { readonly user?: string; readonly most?: number; readonly shell?: string } = {},
): Promise<OwnResult> {
  const { user, most = MOST_OUTPUT, shell = "sh" } = options;
  const { Id } = await engine.json(
    {
      what: "prepare a command",
      method: "POST",
      path: `/containers/${encodeURIComponent(objectId)}/exec`,
      body: {
        Cmd: [shell, "-c", script, OWN_EXEC, ...args],
        AttachStdout: true,
        AttachStderr: true,
        WorkingDir: "/",
        ...(user === undefined ? {} : { User: user }),
      },
    },
    readCreated,
  );
  const stop = AbortSignal.timeout(TIMEOUT_MS);
  const stream = await engine.stream({
    what: "run a command",
    method: "POST",
    path: `/exec/${Id}/start`,
    body: { Detach: false, Tty: false },
    signal: stop,
  });
  const demux = new Demux();
  let output = "";
  for await (const chunk of stream) {
    for (const frame of demux.push(Buffer.from(chunk))) {
      output = (output + frame.data.toString()).slice(-most);
    }
  }
  const exec = await findExec(engine, Id);
  return { exitCode: exec?.ExitCode ?? -1, output: output.trim() };
}

/** Of a container's or an image's user. */
export function isRoot(user: string): boolean {
  return /^(?:0|root)?(?::|$)/.test(user);
}

/**
 * A fresh volume belongs to root, and a container without capabilities cannot hand it over. Its owner may widen it,
 * so a runtime whose commands run as somebody else gets a workspace that everyone in it can write.
 */
export async function widenWorkspace(engine: Engine, container: Container): Promise<void> {
  const target = container.Config.Labels[TARGET_LABEL];
  if (target === undefined || isRoot(container.Config.User) || container.State.Status !== "running") return;
  const { exitCode, output } = await runOwn(engine, container.Id, 'chmod 1777 -- "$1"', [target], {
    user: "0:0",
  });
  if (exitCode === 0) return;
  throw new SandkeepError(`cannot make the workspace writable for user ${container.Config.User}: ${output}`, {
    code: "DOCKER_WORKSPACE_OWNER",
    hint: 'use an image with sh and chmod, or a workspace with access "rw"',
    blame: "backend",
  });
}
