import { SandkeepError } from "../errors.ts";
import { EPHEMERAL } from "../policy/ephemeral.ts";
import type { RunDifference } from "../model/run-answers.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { RunRequest } from "./command.ts";

/** What repeats a run, and the variables that this time nobody gives. */
export interface Repetition {
  readonly request: RunRequest;
  readonly differences: readonly RunDifference[];
}

const MASK = "***";

/**
 * The same command for the same session. Values of variables are not recorded: they are taken from `env` again, where
 * they are. Throws NOTHING_TO_RERUN for what cannot be repeated.
 */
export function repetitionOf(
  manifest: RunManifest,
  env: Readonly<Record<string, string | undefined>>,
  bin: string | undefined = manifest.bin?.path,
): Repetition {
  const { run_id, argv, source, timeout_ms } = manifest;
  if (argv.length === 0) {
    throw refused(
      `${run_id} has no command to repeat`,
      "its manifest names none: look at it, or take another run",
    );
  }
  if (argv.some((each) => each.includes(MASK))) {
    throw refused(
      `${run_id} had a secret among its arguments, and secrets are not recorded`,
      "run the command again by hand; better, let it read the secret from its environment",
    );
  }
  const given = manifest.env.names.map((name) => [name, env[name]] as const);
  const present = given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  const missing = given.flatMap(([name, value]) => (value === undefined ? [name] : []));
  return {
    request: {
      argv,
      source,
      env: Object.fromEntries(present),
      envMode: manifest.env.mode,
      ...(timeout_ms === null ? {} : { timeoutMs: timeout_ms }),
      ...whereOf(manifest),
      ...(bin === undefined ? {} : { bin }),
      ...(manifest.artifacts === null ? {} : { artifacts: manifest.artifacts.globs }),
    },
    differences: missing.map((name) => ({ field: "env", before: name, now: null })),
  };
}

/** The same session, the same kept sandbox, or another one-off sandbox like the first. */
function whereOf({
  agent,
  session,
  address,
  ephemeral,
}: RunManifest): Pick<RunRequest, "agent" | "session" | "ephemeral" | "inside"> {
  if (ephemeral !== null) {
    const { image, backend } = ephemeral;
    const said = { ...(image === null ? {} : { image }), ...(backend === null ? {} : { backend }) };
    return { ...(agent === EPHEMERAL ? {} : { agent }), ephemeral: { ...said, keep: false } };
  }
  return address?.startsWith("ephemeral/") === true ? { inside: address } : { agent, session };
}

/** How two runs of one command differ in what they ran under. */
export function differencesBetween(before: RunManifest, now: RunManifest): readonly RunDifference[] {
  const rows: readonly (readonly [string, (run: RunManifest) => string | null])[] = [
    ["sandboxed", (run) => String(run.sandboxed)],
    // One of its own has a new address each time.
    ["address", (run) => (run.ephemeral === null ? run.address : "ephemeral")],
    ["host", (run) => run.host],
    ["spec_hash", (run) => run.spec_hash],
    ["bin", (run) => (run.bin === null ? null : `${run.bin.name} ${run.bin.sha256}`)],
    ["image", (run) => (run.image === null ? null : `${run.image.ref} ${run.image.digest}`)],
    ["secrets", (run) => (run.env.secrets.length === 0 ? null : run.env.secrets.join(", "))],
    ["config", (run) => configOf(run)],
  ];
  return rows
    .map(([field, read]) => ({ field, before: read(before), now: read(now) }))
    .filter((each) => each.before !== each.now);
}

function configOf({ config: { commit, dirty } }: RunManifest): string | null {
  return commit === null ? null : `${commit}${dirty === true ? ", changed since" : ""}`;
}

function refused(message: string, hint: string): SandkeepError {
  return new SandkeepError(message, { code: "NOTHING_TO_RERUN", hint, exitCode: 64 });
}
