import type { ReadDriver } from "../driver.ts";
import { SandkeepError } from "../../errors.ts";
import { listFleet, lookOf } from "./machine.ts";
import { memoryEvents } from "./events.ts";
import type { Connection } from "./world.ts";

/** The half that cannot change anything; it holds no function that could. */
export function memoryReader(connection: Connection): ReadDriver {
  const { world, machine } = connection;
  return {
    async probe() {
      try {
        return await connection.call("probe", machine.host, () => ({ status: "ready" as const }));
      } catch (error) {
        if (!(error instanceof SandkeepError)) throw error;
        const reason = {
          code: "unreachable",
          message: error.message,
          fix: "Let the test make it reachable.",
        };
        return { status: "unavailable", reasons: [reason] };
      }
    },
    async observe(scope) {
      const where = { backend: "memory", host: machine.host };
      try {
        return { status: "complete", ...where, ...listFleet(await connection.view(), scope) };
      } catch (error) {
        if (!(error instanceof SandkeepError)) throw error;
        return { status: "unobserved", ...where, kind: error.kind, message: error.message, hint: error.hint };
      }
    },
    inspect: async (objectId) =>
      connection.call("inspect", objectId, () => {
        const object = machine.objects.get(objectId);
        return object && lookOf(object);
      }),
    health: async (objectId) =>
      connection.call("health", objectId, () => {
        const object = machine.objects.get(objectId);
        if (object === undefined) return { state: "missing", health: "none", running_ms: 0 };
        const running = object.state === "running";
        const since = object.startedAt ?? world.now();
        return {
          state: running ? "running" : "exited",
          health: "none",
          running_ms: running ? world.now() - since + world.uptime : 0,
          ...(object.exitCode === undefined ? {} : { exit_code: object.exitCode }),
          ...world.healthScript(object.name, world.nthHealth(objectId)),
        };
      }),
    resolveImage: async (ref, policy) =>
      connection.call("resolveImage", ref, () => {
        const held = machine.images.get(ref);
        const wanted = policy === "track" ? (world.registry.get(ref) ?? held) : held;
        if (held === undefined || held !== wanted) return { status: "absent" };
        return { status: "present", image: world.identity(ref, held) };
      }),
    events: async (scope, signal) =>
      connection.call("events", scope.fleet, () => memoryEvents(machine, scope, signal)),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
