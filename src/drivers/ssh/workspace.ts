/** A runtime's canonical workspace, open: our scripts run in it, and where isolation is asked for from inside that. */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { Program } from "../../remote/program.ts";
import { toError } from "../../errors.ts";
import type { OpenWorkspace } from "../../util/open-workspace.ts";
import type { RunScript, WorkspaceScript } from "../../util/script-workspace.ts";
import { scriptWorkspace } from "../../util/script-workspace.ts";
import { failed } from "../../util/workspace-faults.ts";
import { HOLD, SYNC_ANSWER, WITHIN_HOLD } from "../../util/workspace-scripts.ts";
import { noBubblewrap, sandboxOf } from "./bubblewrap.ts";
import type { SshContext } from "./context.ts";
import { broken } from "./errors.ts";
import { openRuntime, workspaceGone } from "./runtime.ts";
import { readSshSpec } from "./spec.ts";

/** Another controller's sync is waited for so long. */
const WAIT_S = 5;
const MOST_COMPLAINT = 4_000;

export async function openWorkspace(context: SshContext, objectId: string): Promise<OpenWorkspace> {
  const { dir, workspace, manifest, hasBubblewrap } = await openRuntime(context, objectId);
  if (manifest === undefined) throw broken(objectId);
  if (workspace === undefined) throw workspaceGone();
  const spec = readSshSpec(manifest.fields);
  const isolated = spec["ssh.isolation"] === "bubblewrap";
  if (isolated && !hasBubblewrap) throw noBubblewrap(context.host.name);
  const program = (script: string, args: readonly string[]): Program => ({
    script: `cd -P "$1" || exit 44; shift\n${script}`,
    args: [isolated ? spec["workspace.target"] : workspace, ...args],
    // What has begun to change is carried on without us.
    ...(isolated ? { within: sandboxOf(dir, workspace, spec, true), onLost: "keep" } : {}),
  });
  const run: RunScript = async ({ script, args, stdin, stdout }) => {
    const stderr = new PassThrough();
    let said = "";
    stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-MOST_COMPLAINT)));
    const input = stdin === undefined ? {} : { stdin };
    const running = await context.connection.run({ ...program(script, args), ...input, stdout, stderr });
    return { code: await running.result, said };
  };
  const { lost, release } = await hold(run);
  return scriptWorkspace({
    run: (script) => whileHeld(lost, script, run),
    tarOptions: "-o",
    [Symbol.asyncDispose]: release,
  });
}

interface Held {
  /** Rejects when others may be in it, or when nobody can tell. */
  readonly lost: Promise<never>;
  readonly release: () => Promise<void>;
}

/** Alone there as long as its input is open, and no longer than this process lives. */
async function hold(run: RunScript): Promise<Held> {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const ended = run({ script: HOLD, args: [String(WAIT_S)], stdin, stdout });
  let held = false;
  const lost = ended.then(({ code, said }) => {
    throw failed(held ? SYNC_ANSWER.lost : code, said);
  });
  lost.catch(() => undefined);
  await Promise.race([once(stdout, "data"), lost]);
  held = true;
  const release = async (): Promise<void> => {
    stdin.end();
    await ended.catch(() => undefined);
  };
  return { lost, release };
}

/** A new connection would go on, but no longer alone. What a script was not sent by then it does not get any more. */
async function whileHeld(
  lost: Promise<never>,
  script: WorkspaceScript,
  run: RunScript,
): ReturnType<RunScript> {
  await Promise.race([lost, Promise.resolve()]);
  const { stdin } = script;
  stdin?.on("error", () => undefined);
  const stopped = lost.catch((thrown: unknown) => {
    stdin?.destroy(toError(thrown));
    throw thrown;
  });
  return await Promise.race([run({ ...script, script: WITHIN_HOLD + script.script }), stopped]);
}
