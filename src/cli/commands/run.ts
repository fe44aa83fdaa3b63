import { randomBytes } from "node:crypto";
import { discard } from "../../apply/streams.ts";
import { makeRunId } from "../../runs/run-id.ts";
import { runCommand } from "../../runs/run.ts";
import { commandRequest } from "../command-request.ts";
import { makeEngine } from "../engine.ts";
import { EXIT } from "../exit-codes.ts";
import { forwardSignals } from "../forwarding.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

/** Tells a process that it supervises a detached run of this id; no command ever gets to see it. */
const SUPERVISED = "SANDKEEP_SUPERVISED_RUN";

export async function run(invocation: Invocation): Promise<number> {
  const { [SUPERVISED]: runId, ...env } = invocation.env;
  const own = { ...invocation, env };
  const detached = switchOption(invocation, "detach");
  return detached && runId === undefined ? await leave(own) : await follow(own, runId);
}

/** Runs it in this process, which has nobody to show it to when it supervises a detached run. */
async function follow(invocation: Invocation, runId: string | undefined): Promise<number> {
  const { globals, streams } = invocation;
  const request = commandRequest(invocation, invocation.args);
  const alone = runId === undefined ? undefined : discard();
  await using host = await openHost(invocation);
  using signals = forwardSignals((code) => {
    host.clear();
    process.exit(code);
  });
  const outcome = await runCommand(
    makeEngine(invocation, host),
    { ...request, ...(runId === undefined ? {} : { runId }) },
    {
      ...(alone === undefined ? { stdin: streams.stdin } : {}),
      // With --json stdout holds the manifest alone.
      stdout: alone ?? (globals.json ? streams.stderr : streams.stdout),
      stderr: alone ?? streams.stderr,
      onStart: (control) => {
        host.clear();
        signals.started(control);
      },
    },
  );
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  if (globals.json) await answer(invocation, outcome.manifest, () => "");
  return outcome.manifest.exit_code;
}

/** Leaves it to a process of its own. */
async function leave(invocation: Invocation): Promise<number> {
  // What is wrong with the command line is told by this process.
  const { ephemeral, inside } = commandRequest(invocation, invocation.args);
  const [{ detach }, { findState, findRunState }] = await Promise.all([
    import("../detach.ts"),
    import("../held.ts"),
  ]);
  const own = ephemeral !== undefined || inside !== undefined;
  const found = await (own ? findRunState(invocation) : findState(invocation));
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const runId = makeRunId(Date.now(), randomBytes(8).toString("hex"));
  const { streams, env, cwd } = invocation;
  const started = await detach(runId, found.state, { streams, env: { ...env, [SUPERVISED]: runId }, cwd });
  if (started.status === "failed") return started.exitCode;
  await answer(invocation, started.manifest, () => `${runId}\n`);
  return EXIT.ok;
}
