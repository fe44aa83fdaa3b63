import { SandkeepError } from "../errors.ts";
import type { Spec } from "../model/spec.ts";
import { maskSecrets } from "../util/secret-mask.ts";
import { spellings } from "../util/secret-spellings.ts";
import type { ApplyContext, ChangeRun } from "./context.ts";
import { endOf } from "./command.ts";
import { tail } from "./streams.ts";

const TAIL_BYTES = 2_000;

/** Runs `setup` in order with the runtime's secrets in the environment of each command, and nowhere else. */
export async function runSetup(
  objectId: string,
  spec: Spec,
  run: ChangeRun,
  context: ApplyContext,
  signal: AbortSignal,
): Promise<void> {
  const setup = spec.values["setup"];
  if (!Array.isArray(setup)) return;
  const secrets = await context.secretsFor(run.change, spec.values, "setup");
  const longest = Math.max(0, ...spellings(Object.values(secrets)).map((each) => Buffer.byteLength(each)));
  for (const [index, command] of setup.entries()) {
    const output = tail(TAIL_BYTES + longest);
    const handle = await run.driver.exec({
      objectId,
      argv: ["/bin/sh", "-c", String(command)],
      env: secrets,
      sealed: true,
      stdout: output,
      stderr: output,
    });
    const exitCode = await endOf(handle, signal);
    if (exitCode === 0) continue;
    const said = quote(output.text(), Object.values(secrets), longest);
    throw new SandkeepError(
      `setup command ${index + 1} of ${setup.length} exited with ${exitCode}${said === "" ? "" : `: ${said}`}`,
      { code: "SETUP_FAILED", hint: "run it by hand in a shell of the sandbox to see why", exitCode: 5 },
    );
  }
}

/** Masked before anything is cut off, and where the start is cut off without it: part of a secret is a secret, too. */
function quote(output: string, secrets: readonly string[], longest: number): string {
  const masked = maskSecrets(output, spellings(secrets));
  const whole = Buffer.byteLength(output) < TAIL_BYTES + longest;
  return (whole ? masked : masked.slice(longest)).slice(-TAIL_BYTES).trim();
}
