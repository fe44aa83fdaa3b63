import { join } from "node:path";
import * as z from "zod";
import type { Host, SshAccess } from "../model/settings.ts";
import type { FleetState } from "./directory.ts";
import { readJson, writeJson } from "./files.ts";
import { withMutex } from "./mutex.ts";

/** How to reach an engine again when the config is gone: addresses and paths of credentials, never their content. */
export interface Endpoint {
  readonly backend: string;
  readonly host: string;
  readonly docker?: string;
  readonly podman?: string;
  readonly tls?: NonNullable<Host["tls"]>;
  readonly ssh?: SshAccess;
}

const endpointSchema = z.object({
  backend: z.string(),
  host: z.string(),
  docker: z.string().optional(),
  podman: z.string().optional(),
  tls: z
    .object({
      ca: z.string().optional(),
      cert: z.string().optional(),
      key: z.string().optional(),
      server_name: z.string().optional(),
    })
    .optional(),
});
export const endpointsSchema = z.object({ v: z.literal(1), endpoints: z.array(endpointSchema) });
type StoredEndpoint = z.infer<typeof endpointSchema>;

function file(state: FleetState): string {
  return join(state.dir, "endpoints.json");
}

/** Adds or replaces by backend and host; what is not named stays, since it may still hold runtimes of ours. */
export async function rememberEndpoints(state: FleetState, used: readonly Endpoint[]): Promise<void> {
  const known = await readJson(file(state), endpointsSchema, "report", undefined);
  const current = known?.endpoints ?? [];
  if (JSON.stringify(merge(current, used)) === JSON.stringify(current)) return;
  await withMutex(file(state), async () => {
    const before = await readJson(file(state), endpointsSchema, "quarantine", state.onProblem);
    await writeJson(file(state), { v: 1, endpoints: merge(before?.endpoints ?? [], used) });
  });
}

/** What neither the config names nor holds anything of ours any more. */
export async function forgetEndpoints(
  state: FleetState,
  gone: readonly Pick<Endpoint, "backend" | "host">[],
): Promise<void> {
  const isGone = (each: StoredEndpoint): boolean =>
    gone.some(({ backend, host }) => each.backend === backend && each.host === host);
  const known = await readJson(file(state), endpointsSchema, "report", undefined);
  if (known === undefined || !known.endpoints.some((each) => isGone(each))) return;
  await withMutex(file(state), async () => {
    const before = await readJson(file(state), endpointsSchema, "quarantine", state.onProblem);
    await writeJson(file(state), {
      v: 1,
      endpoints: (before?.endpoints ?? []).filter((each) => !isGone(each)),
    });
  });
}

export async function readEndpoints(state: FleetState): Promise<readonly Endpoint[]> {
  const stored = await readJson(file(state), endpointsSchema, "report", state.onProblem);
  return (stored?.endpoints ?? []).map(asEndpoint);
}

function merge(before: readonly StoredEndpoint[], used: readonly Endpoint[]): readonly StoredEndpoint[] {
  const all = new Map<string, StoredEndpoint>();
  for (const { backend, host, docker, podman, tls } of [...before, ...used]) {
    // One key order for all, so that equal content compares equal as text.
    const { ca, cert, key, server_name } = tls ?? {};
    const files = tls === undefined ? undefined : { ca, cert, key, server_name };
    all.set(`${backend} ${host}`, { backend, host, docker, podman, tls: files });
  }
  return [...all.entries()].toSorted(([a], [b]) => a.localeCompare(b)).map(([, endpoint]) => endpoint);
}

function asEndpoint({ backend, host, docker, podman, tls }: StoredEndpoint): Endpoint {
  const { ca, cert, key, server_name } = tls ?? {};
  const files = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(server_name === undefined ? {} : { server_name }),
  };
  return {
    backend,
    host,
    ...(docker === undefined ? {} : { docker }),
    ...(podman === undefined ? {} : { podman }),
    ...(tls === undefined ? {} : { tls: files }),
  };
}
