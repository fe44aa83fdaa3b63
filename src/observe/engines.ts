import type { DriverDeps, DriverModule, DriverRegistry, ReadDriver } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError, toError } from "../errors.ts";
import type { ErrorClass } from "../model/failure.ts";
import type { Host, ResolvedFleet, Settings } from "../model/settings.ts";

/** One place that may hold runtimes of the fleet: a backend on a host. */
export interface EngineRef {
  readonly backend: string;
  readonly host: string;
  readonly config?: Host;
  /** False when only the state directory remembers it: its runtimes are orphans, and its absence is no failure. */
  readonly declared: boolean;
  /** Name of the host that was there before and is elsewhere now. */
  readonly former?: string;
}

/** An engine opened for reading, or why it could not be. */
export type OpenEngine =
  | { readonly ref: EngineRef; readonly reader: ReadDriver }
  | { readonly ref: EngineRef; readonly failure: EngineFailure };

export interface EngineFailure {
  readonly kind: ErrorClass;
  readonly message: string;
  readonly hint: string | undefined;
}

export function engineKey(ref: { readonly backend: string; readonly host: string }): string {
  return `${ref.backend}@${ref.host}`;
}

/** Which engine an agent's sandboxes live on; undefined for one that has none. */
export function engineFor(settings: Settings): Pick<EngineRef, "backend" | "host"> | undefined {
  if (settings.mode === "off") return undefined;
  return { backend: settings.backend, host: settings.host ?? THIS_HOST };
}

/** Every engine the fleet's agents use, then those that hold what earlier configs made. Sorted. */
export function enginesOf(fleet: ResolvedFleet | undefined, remembered: readonly EngineRef[]): EngineRef[] {
  const engines = new Map<string, EngineRef>();
  const hosts = fleet?.hosts ?? {};
  for (const { settings } of fleet?.agents ?? []) {
    const place = engineFor(settings);
    if (place === undefined) continue;
    const key = engineKey(place);
    if (engines.has(key)) continue;
    const config = hosts[place.host];
    engines.set(key, {
      ...place,
      declared: true,
      ...(config === undefined ? {} : { config }),
    });
  }
  for (const ref of remembered) if (!engines.has(engineKey(ref))) engines.set(engineKey(ref), ref);
  return [...engines.values()].toSorted((a, b) => (engineKey(a) < engineKey(b) ? -1 : 1));
}

export async function loadModules(
  registry: DriverRegistry,
  backends: Iterable<string>,
): Promise<Record<string, DriverModule>> {
  const modules: Record<string, DriverModule> = {};
  for (const backend of new Set(backends)) {
    const load = registry[backend];
    if (load !== undefined) modules[backend] = await load();
  }
  return modules;
}

/** Opening is a read; an engine that cannot be opened is one that cannot be observed. */
export async function openReaders(
  refs: readonly EngineRef[],
  modules: Readonly<Record<string, DriverModule>>,
  deps: DriverDeps,
): Promise<OpenEngine[]> {
  return Promise.all(
    refs.map(async (ref): Promise<OpenEngine> => {
      try {
        const module = modules[ref.backend];
        if (module === undefined) {
          throw new SandkeepError(`no driver for backend "${ref.backend}"`, { code: "UNKNOWN_BACKEND" });
        }
        return { ref, reader: await module.openReader(ref.config, deps) };
      } catch (thrown) {
        return { ref, failure: failureOf(thrown) };
      }
    }),
  );
}

export function failureOf(thrown: unknown): EngineFailure {
  if (thrown instanceof SandkeepError) {
    return { kind: thrown.kind, message: thrown.message, hint: thrown.hint };
  }
  return { kind: "transient", message: toError(thrown).message, hint: undefined };
}

/** Those that could be opened, by `engineKey`. */
export function readersOf(engines: readonly OpenEngine[]): ReadonlyMap<string, ReadDriver> {
  return new Map(
    engines.flatMap((each) => ("reader" in each ? [[engineKey(each.ref), each.reader] as const] : [])),
  );
}

export async function closeEngines(engines: readonly OpenEngine[]): Promise<void> {
  await Promise.allSettled(
    engines.map(async (engine) => {
      if ("reader" in engine) await engine.reader[Symbol.asyncDispose]();
    }),
  );
}
