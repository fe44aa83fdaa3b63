import { runCommand } from "../../runs/run.ts";
import { commandRequest } from "../command-request.ts";
import { makeEngine } from "../engine.ts";
import { forwardSignals } from "../forwarding.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { answer, answerInvalid } from "../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { globals, streams } = invocation;
  const request = commandRequest(invocation, invocation.args);
  await using host = await openHost(invocation);
  using signals = forwardSignals((code) => {
    host.clear();
    process.exit(code);
  });
  const outcome = await runCommand(makeEngine(invocation, host), request, {
    stdin: streams.stdin,
    // With --json stdout holds the manifest alone.
    stdout: globals.json ? streams.stderr : streams.stdout,
    stderr: streams.stderr,
    onStart: (control) => {
      host.clear();
      signals.started(control);
    },
  });
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  if (globals.json) await answer(invocation, outcome.manifest, () => "");
  return outcome.manifest.exit_code;
}
