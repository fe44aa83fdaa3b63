import type { DriverDeps, DriverRegistry } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { EventSink } from "../model/event.ts";
import type { SecretRef } from "../model/settings.ts";
import type { RegistryMemo } from "../observe/registry-memo.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { SecretIo } from "../resolve/secrets.ts";
import { resolveSecret, systemSecretIo } from "../resolve/secrets.ts";
import type { Wait } from "../util/wait.ts";
import type { StageKeeper } from "./stage-keeper.ts";

/** The world outside: handed in, so that nothing is read behind the caller's back. */
export interface Engine {
  readonly drivers: DriverRegistry;
  readonly stateDir: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): number;
  readonly wait: Wait;
  /** Random lowercase hex, 16 characters. */
  randomId(): string;
  readonly sink: EventSink;
  readonly toolVersion: string;
  /** What registries said of tracked images; without it they are asked at each look. */
  readonly registry?: RegistryMemo | undefined;
  /** Keeps the stages of runtimes with staged writes; without it such a runtime cannot be made. */
  readonly stages?: StageKeeper | undefined;
}

export function driverDeps(engine: Engine): DriverDeps {
  return {
    stateDir: engine.stateDir,
    env: engine.env,
    now: () => engine.now(),
    randomId: () => engine.randomId(),
    secret: async (ref, folder) => hostSecret(engine, ref, folder),
  };
}

/** Read at the moment of use; rejects with what is the matter. */
export async function hostSecret(engine: Engine, ref: SecretRef, folder: string): Promise<string> {
  const home = engine.env["HOME"] ?? folder;
  const secret = await resolveSecret(ref, systemSecretIo({ env: engine.env, root: folder, home }));
  if (secret.status === "resolved") return secret.value;
  throw new SandkeepError(`a secret of the host cannot be read: ${secret.message}`, {
    code: "HOST_SECRET",
    kind: "denied",
    hint: "provide it, then run the command again",
  });
}

export function secretIo(engine: Engine, config: LoadedFleet): SecretIo {
  const { root, home } = config.paths;
  return systemSecretIo({ env: engine.env, root, home });
}
