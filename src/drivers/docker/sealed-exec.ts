import { KEPT_BY_SHELLS } from "../../util/shell-word.ts";
import type { DriverDeps, ExecHandle, ExecRequest } from "../driver.ts";
import type { Engine } from "./client.ts";
import { LEAVE, taken, takingFromFile, takingFromStdin } from "./command-secrets.ts";
import { CANNOT_RUN, NOT_FOUND, exec } from "./exec.ts";
import { handIn, notTaken } from "./hand-in.ts";
import { runOwn } from "./own-command.ts";

/** Memory of each container that whoever runs in it may write. */
const MEMORY = "/dev/shm";

const COMMAND = "the command";

/** No secret has one of these names. */
const OPEN = new Set(["PATH", ...KEPT_BY_SHELLS]);

/** Starts a command whose environment comes past an engine that would keep it, and past any where it is to be sealed. */
export async function execSealed(
  engine: Engine,
  deps: DriverDeps,
  request: ExecRequest,
): Promise<ExecHandle> {
  if (request.sealed !== true && !engine.dialect.keepsCommands) return exec(engine, deps, request);
  const all = Object.entries(request.env);
  const sealed = Object.fromEntries(all.filter(([name]) => !OPEN.has(name)));
  if (Object.keys(sealed).length === 0) return exec(engine, deps, request);
  const env = Object.fromEntries(all.filter(([name]) => OPEN.has(name)));
  if (request.tty !== undefined) return execFromFile(engine, deps, { ...request, env }, sealed);
  const argv = takingFromStdin(request.argv, request.stdin !== undefined);
  const handle = await exec(engine, deps, { ...request, argv, env }, { first: taken(sealed) });
  const result = handle.result.then(async (ended) => {
    if (ended.exitCode === NOT_FOUND) await requireShell(engine, request.objectId);
    return ended;
  });
  return { ...handle, result };
}

/** What was not found is not the command's own program where there is no shell to become it. */
async function requireShell(engine: Engine, objectId: string): Promise<void> {
  const { exitCode } = await runOwn(engine, objectId, ":", []).catch(() => ({ exitCode: 0 }));
  if (exitCode === NOT_FOUND) throw notTaken(COMMAND, exitCode);
}

/** What goes into a terminal is shown by it until a program says otherwise. */
async function execFromFile(
  engine: Engine,
  deps: DriverDeps,
  request: ExecRequest,
  sealed: Readonly<Record<string, string>>,
): Promise<ExecHandle> {
  const { objectId } = request;
  const path = `${MEMORY}/sandkeep-${deps.randomId()}`;
  const forget = async (): Promise<void> => {
    await runOwn(engine, objectId, 'rm -f -- "$1"', [path]).catch(() => undefined);
  };
  const orForget = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (thrown) {
      await forget();
      throw thrown;
    }
  };
  await orForget(handIn(engine, deps, { objectId, whose: COMMAND, script: LEAVE, path }, taken(sealed)));
  const argv = takingFromFile(request.argv, path);
  const handle = await orForget(exec(engine, deps, { ...request, argv }));
  const result = orForget(handle.result).then(async (ended) => {
    // The command took it away, unless it could not begin.
    if (ended.exitCode === CANNOT_RUN || ended.exitCode === NOT_FOUND) await forget();
    return ended;
  });
  return { ...handle, result };
}
