import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { CacheBounds } from "../../model/cache.ts";
import { Bridge } from "./bridge.ts";
import { buildkitFailure } from "./errors.ts";
import type { ExecContext } from "./exec.ts";
import { toError } from "../../errors.ts";

const run = promisify(execFile);

/** Of all that the worker holds, whoever it was made for: a worker does not tell them apart. */
export async function pruneCache({ dialer, found, deps }: ExecContext, bounds: CacheBounds): Promise<void> {
  await using bridge = await Bridge.open(dialer);
  const { folder, address } = bridge;
  const { client, program } = found;
  const prepare = client.prepare({ address, folder });
  for (const { args, env } of [
    ...(prepare === undefined ? [] : [prepare]),
    ...client.prune({ address, folder }, bounds),
  ]) {
    await run(program, [...args], { env: { ...deps.env, ...env }, cwd: folder }).catch((thrown: unknown) => {
      throw bridge.failure ?? buildkitFailure("prune the worker's cache", toError(thrown).message, thrown);
    });
  }
}
