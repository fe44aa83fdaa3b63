import { SandkeepError } from "../errors.ts";
import type { Engine } from "../reconcile.ts";
import { isFor } from "../model/secret-use.ts";
import { secretIo } from "../plan/engine.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import { resolveSecret } from "../resolve/secrets.ts";
import type { Whom } from "./whom.ts";

/** Every secret of the session must be there before anything starts: half an environment is worse than none. */
export async function secretValues(
  engine: Engine,
  config: LoadedFleet,
  whom: Whom,
): Promise<Record<string, string>> {
  const io = secretIo(engine, config);
  const found: Record<string, string> = {};
  for (const [name, ref] of Object.entries(whom.agent.settings.secrets)) {
    if (!isFor(ref, "run")) continue;
    const secret = await resolveSecret(ref, io);
    if (secret.status === "unresolved") {
      throw new SandkeepError(`secret ${name} of agent ${whom.agent.name}: ${secret.message}`, {
        code: "SECRET_UNRESOLVED",
        hint: "make it available to this process, or remove it from the config",
      });
    }
    found[name] = secret.value;
  }
  return found;
}

/** Without these hardly any program works; they say nothing about what the caller does. */
const NEEDED = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "SHELL"] as const;

/** What a command on the host gets of the caller's environment. */
export function callerEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  mode: "inherit" | "clean",
): Readonly<Record<string, string | undefined>> {
  return mode === "inherit" ? env : Object.fromEntries(NEEDED.map((name) => [name, env[name]]));
}
