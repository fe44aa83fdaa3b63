import type { Readable } from "node:stream";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { RunManifest } from "../../src/model/run-manifest.ts";
import type { Engine } from "../../src/reconcile.ts";
import type { RunRequest } from "../../src/runs/command.ts";
import { runCommand } from "../../src/runs/run.ts";
import type { Lab } from "../support/memory-fleet.ts";

// Runs on the memory backend, as the tests of the ledger need them.

export const SANDBOX = { backend: "docker", docker: { image: "img:a" } };

/** A fleet with agent `a`, applied. */
export async function applied(lab: Lab, more: object = {}): Promise<void> {
  await lab.write({ sandbox: SANDBOX, agents: { a: {} }, ...more });
  await lab.apply();
}

export interface LabRun {
  readonly manifest: RunManifest & { readonly exit_code: number };
  readonly stdout: string;
  readonly stderr: string;
}

export async function labRun(
  lab: Lab,
  argv: readonly string[],
  more: Partial<RunRequest> & { readonly stdin?: Readable; readonly engine?: Engine } = {},
): Promise<LabRun> {
  const { stdin, engine = lab.engine(), ...request } = more;
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const heard = Promise.all([text(stdout), text(stderr)]);
  const io = { stdout, stderr, ...(stdin === undefined ? {} : { stdin }) };
  try {
    const answer = await runCommand(engine, { agent: "a", argv, env: {}, ...request }, io);
    if (answer.status === "invalid") throw new Error(JSON.stringify(answer.diagnostics));
    stdout.end();
    stderr.end();
    const [out, err] = await heard;
    return { manifest: answer.manifest, stdout: out, stderr: err };
  } finally {
    stdout.end();
    stderr.end();
  }
}
