import { SandkeepError } from "../../errors.ts";
import { KEPT_BY_SHELLS } from "../../util/shell-word.ts";
import type { DriverDeps, ExecHandle, ExecRequest } from "../driver.ts";
import type { Engine } from "./client.ts";
import { LEAVE, taken, takingFromFile, takingFromStdin } from "./command-secrets.ts";
import { NOT_FOUND, exec } from "./exec.ts";
import { OWN_EXEC } from "./execs.ts";
import { handIn, notTaken } from "./hand-in.ts";
import { runOwn } from "./own-command.ts";

/** Memory of each container that whoever runs in it may write. */
const MEMORY = "/dev/shm";

const COMMAND = "the command";
const SHELL = "/bin/sh";
const KEPT = new Set(KEPT_BY_SHELLS);

/** Starts a command whose environment comes past an engine that would keep it, and past any where it is to be sealed. */
export async function execSealed(
  engine: Engine,
  deps: DriverDeps,
  request: ExecRequest,
): Promise<ExecHandle> {
  const seals = request.sealed === true || engine.dialect.keepsEnvironments;
  const names = Object.keys(request.env);
  // Where programs are is no secret, and needs no shell by itself.
  if (!seals || names.every((name) => name === "PATH")) return exec(engine, deps, request);
  const kept = names.find((name) => KEPT.has(name));
  if (kept !== undefined) throw cannotHave(engine, kept);
  const lines = taken(request.env);
  const open = { ...request, env: {} };
  if (request.tty !== undefined) return execFromFile(engine, deps, open, lines);
  const argv = takingFromStdin(request.argv, request.stdin !== undefined);
  const handle = await exec(engine, deps, { ...open, argv }, { first: lines });
  const result = handle.result.then(async (ended) => {
    if (ended.exitCode === NOT_FOUND) await requireShell(engine, request.objectId);
    return ended;
  });
  return { ...handle, result };
}

function cannotHave({ dialect }: Engine, name: string): SandkeepError {
  return new SandkeepError(`this command cannot be given the variable ${name} on ${dialect.name}`, {
    code: "DOCKER_VARIABLE",
    hint: "its variables come through a shell, which keeps that one for itself: give it another name",
    exitCode: 64,
  });
}

/** What was not found is not the command's own program where there is no shell to become it. */
async function requireShell(engine: Engine, objectId: string): Promise<void> {
  const tried = runOwn(engine, objectId, ":", [], { shell: SHELL });
  const { exitCode } = await tried.catch(() => ({ exitCode: 0 }));
  if (exitCode === NOT_FOUND) throw notTaken({ whose: COMMAND, needs: NEEDS }, exitCode);
}

const NEEDS = "/bin/sh, and behind a terminal cat, rm and a /dev/shm that its user may write";

/** What goes into a terminal is shown by it until a program says otherwise. */
async function execFromFile(
  engine: Engine,
  deps: DriverDeps,
  request: ExecRequest,
  lines: string,
): Promise<ExecHandle> {
  const { objectId } = request;
  const path = `${MEMORY}/sandkeep-${deps.randomId()}`;
  const forget = async (): Promise<void> => {
    const script = '[ ! -e "$1" ] || : > "$1"; rm -f -- "$1"';
    await runOwn(engine, objectId, script, [path], { shell: SHELL }).catch(() => undefined);
  };
  const orForget = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (thrown) {
      await forget();
      throw thrown;
    }
  };
  const whole = { objectId, whose: COMMAND, argv: [SHELL, "-c", LEAVE, OWN_EXEC, path], needs: NEEDS };
  await orForget(handIn(engine, deps, whole, lines));
  const argv = takingFromFile(request.argv, path);
  const handle = await orForget(exec(engine, deps, { ...request, argv }));
  const result = orForget(handle.result).then(async (ended) => {
    // The shell takes it away, unless it was ended before.
    if (ended.exitCode !== 0) await forget();
    return ended;
  });
  return { ...handle, result };
}
