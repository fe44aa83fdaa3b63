import type { RunDifference } from "../model/run-answers.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import { renderDifferences } from "../render/run-care.ts";
import { differencesBetween, repetitionOf } from "../runs/rerun.ts";
import { runCommand } from "../runs/run.ts";
import type { Invalid } from "../policy/fleet.ts";
import { configFile, makeEngine } from "./engine.ts";
import { forwardSignals } from "./forwarding.ts";
import { openHost } from "./hosts/host.ts";
import type { Invocation } from "./invocation.ts";
import { textOption } from "./options.ts";
import { tell } from "./print.ts";

export interface Repeated {
  readonly status: "repeated";
  readonly rerun_of: string;
  readonly differences: RunDifference[];
  readonly run: RunManifest & { readonly exit_code: number };
}

/** Runs a recorded command again, with its streams here, and first tells what is not as it was. */
export async function repeat(invocation: Invocation, before: RunManifest): Promise<Repeated | Invalid> {
  const { globals, streams } = invocation;
  const { request, differences: missing } = repetitionOf(
    before,
    invocation.env,
    textOption(invocation, "bin"),
  );
  const differences = [...missing];
  await using host = await openHost(invocation);
  using signals = forwardSignals((code) => {
    host.clear();
    process.exit(code);
  });
  const outcome = await runCommand(
    makeEngine(invocation, host),
    { ...request, ...configFile(invocation) },
    {
      stdin: streams.stdin,
      stdout: globals.json ? streams.stderr : streams.stdout,
      stderr: streams.stderr,
      onRecorded: (now) => {
        differences.push(...differencesBetween(before, now));
        host.clear();
        void tell(invocation, (style) => renderDifferences(before.run_id, differences, style));
      },
      onStart: (control) => {
        host.clear();
        signals.started(control);
      },
    },
  );
  if (outcome.status === "invalid") return outcome;
  return { status: "repeated", rerun_of: before.run_id, differences, run: outcome.manifest };
}
