/** The part of the contract that a backend without runtimes has no use for, said once for all of them. */
import { SandkeepError } from "../errors.ts";
import type { Driver, ReadDriver } from "./driver.ts";

/** The calls that make, change or remove a runtime, of a backend that has none: each is refused. */
export function refuseRuntimes(
  backend: string,
): Omit<Driver, Exclude<keyof ReadDriver, "inspect" | "health" | "events"> | "exec" | "prune"> {
  const refuse = async (): Promise<never> => {
    throw new SandkeepError(`the ${backend} backend makes no runtimes: each command is a build of its own`, {
      code: "EPHEMERAL_BACKEND",
      hint: "use `sandkeep run`",
    });
  };
  return {
    inspect: async () => undefined,
    health: async () => ({ state: "missing", health: "none", running_ms: 0, main: "nothing" }),
    events: refuse,
    fetch: refuse,
    create: refuse,
    start: refuse,
    stop: refuse,
    update: refuse,
    rename: refuse,
    remove: refuse,
    mark: refuse,
    forget: refuse,
    attest: refuse,
    putFiles: refuse,
    getFiles: refuse,
  };
}
