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
  /** Name of the host that was there before, when the host of that name is elsewhere now. */
  readonly former?: string;
}

const secretRefSchema = z.union([
  z.object({ env: z.string() }),
  z.object({ file: z.string() }),
  z.object({ command: z.array(z.string()).readonly() }),
]);

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
  ssh: z
    .object({
      target: z.string(),
      identity_file: z.string().optional(),
      identity: secretRefSchema.optional(),
      certificate_file: z.string().optional(),
      certificate: secretRefSchema.optional(),
      known_hosts_file: z.string().optional(),
      known_hosts: z.string().optional(),
      strict_host_key: z.boolean(),
      jump: z.string().optional(),
      transport: z.enum(["auto", "ssh2", "openssh"]),
      folder: z.string(),
    })
    .optional(),
  former: z.string().optional(),
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

/**
 * What stays remembered beside what is used now. A host that is somewhere else now leaves its old place behind, under a
 * name of its own: what was made there is still ours. An old place that is a host's again is no old place any more.
 */
export function formerEndpoints(known: readonly Endpoint[], used: readonly Endpoint[]): readonly Endpoint[] {
  return merge(
    known.map((each) => ordered(each)),
    used,
  )
    .map(asEndpoint)
    .filter((each) => !used.some((one) => one.backend === each.backend && one.host === each.host));
}

function merge(before: readonly StoredEndpoint[], used: readonly Endpoint[]): readonly StoredEndpoint[] {
  const all = new Map<string, StoredEndpoint>();
  for (const each of before) all.set(`${each.backend} ${each.host}`, ordered(each));
  for (const each of used) {
    const key = `${each.backend} ${each.host}`;
    const known = all.get(key);
    if (known !== undefined && placeOf(known) !== placeOf(each)) {
      const host = `${each.host} (was ${placeOf(known)})`;
      all.set(`${each.backend} ${host}`, ordered({ ...known, host, former: each.host }));
    }
    all.delete(`${each.backend} ${each.host} (was ${placeOf(each)})`);
    all.set(key, ordered(each));
  }
  return [...all.entries()].toSorted(([a], [b]) => a.localeCompare(b)).map(([, endpoint]) => endpoint);
}

interface Places {
  readonly docker?: string | undefined;
  readonly podman?: string | undefined;
  readonly ssh?: { readonly target: string } | undefined;
}

/** Where an endpoint is, not how it is entered. */
function placeOf({ docker, podman, ssh }: Places): string {
  return [docker, podman, ssh?.target].filter((each) => each !== undefined).join(" ");
}

/** One key order for all, so that equal content compares equal as text. */
function ordered(endpoint: StoredEndpoint | Endpoint): StoredEndpoint {
  return endpointSchema.parse(endpoint);
}

/** Without the keys that nobody gave. */
function asEndpoint(stored: StoredEndpoint): Endpoint {
  const { backend, host, docker, podman, tls, ssh, former } = stored;
  return {
    backend,
    host,
    ...(docker === undefined ? {} : { docker }),
    ...(podman === undefined ? {} : { podman }),
    ...(tls === undefined ? {} : { tls: given(tls) }),
    ...(ssh === undefined ? {} : { ssh: given(ssh) }),
    ...(former === undefined ? {} : { former }),
  };
}

type Given<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

function given<T extends object>(value: T): Given<T>;
function given(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined));
}
