/** A runtime's canonical workspace, open: our scripts run in it, and where isolation is asked for from inside that. */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { Program } from "../../remote/program.ts";
import type { OpenWorkspace } from "../../util/open-workspace.ts";
import type { RunScript } from "../../util/script-workspace.ts";
import { scriptWorkspace } from "../../util/script-workspace.ts";
import { failed } from "../../util/workspace-faults.ts";
import { HOLD } from "../../util/workspace-scripts.ts";
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
  const release = await hold(run);
  return scriptWorkspace({ run, tarOptions: "-o", [Symbol.asyncDispose]: release });
}

/** Alone there as long as its input is open, and no longer than this process lives. */
async function hold(run: RunScript): Promise<() => Promise<void>> {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const ended = run({ script: HOLD, args: [String(WAIT_S)], stdin, stdout });
  const over = ended.then(({ code, said }) => {
    throw failed(code, said);
  });
  over.catch(() => undefined);
  await Promise.race([once(stdout, "data"), over]);
  return async () => {
    stdin.end();
    await ended.catch(() => undefined);
  };
}
