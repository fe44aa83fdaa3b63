import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { CacheBounds } from "../../model/cache.ts";
import { bridgeFor } from "./client.ts";
import { buildkitFailure } from "./errors.ts";
import type { ExecContext } from "./build-run.ts";
import { toError } from "../../errors.ts";

const run = promisify(execFile);
/** A client lists each record that goes, of which a worker can have very many. */
const LIMITS = { timeout: 600_000, killSignal: "SIGKILL", maxBuffer: 64 << 20 } as const;

/** Of all that the worker holds, whoever it was made for: a worker does not tell them apart. */
export async function pruneCache({ dialer, found, deps }: ExecContext, bounds: CacheBounds): Promise<void> {
  await using bridge = await bridgeFor(found, dialer);
  const { folder, address } = bridge;
  const { client, program } = found;
  const prepare = client.prepare({ address, folder });
  for (const { args, env } of [
    ...(prepare === undefined ? [] : [prepare]),
    ...client.prune({ address, folder }, bounds),
  ]) {
    const options = { ...LIMITS, env: { ...deps.env, ...env }, cwd: folder };
    await run(program, [...args], options).catch((thrown: unknown) => {
      const cause = toError(thrown);
      throw bridge.failure ?? buildkitFailure("prune the worker's cache", cause.message, { cause });
    });
  }
}
