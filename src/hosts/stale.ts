/**
 * In: what lies on a host, and what the fleet declares. Out: what there is stale, why, and whether `host reap` may remove
 * it: only what is provably a sandbox, and nothing that could be in use or could lead elsewhere. Pure.
 */
import type {
  HostContainer,
  HostDirectory,
  HostSnapshot,
  KeptCode,
  Stale,
  StaleCode,
} from "../model/host.ts";
import type { Identity } from "../model/labels.ts";
import { identityOf } from "../model/labels.ts";
import { foreignBecause } from "../model/ownership.ts";
import { roughDuration } from "../util/duration.ts";

/** Beginning of the name that a folder gets before it is removed. */
export const REAPED = ".sandkeep-reaped-";

export interface StaleContext {
  readonly fleet: string;
  readonly fleet_id: string | undefined;
  /** Addresses that the config yields on this host. */
  readonly declared: ReadonlySet<string>;
  /** Reason of each hold, by address. */
  readonly held: ReadonlyMap<string, string>;
  /** Milliseconds since the epoch, by the host's own times. */
  readonly now: number;
  /** Milliseconds. */
  readonly older_than: number;
  readonly adoptsDirectory: (name: string) => boolean;
  readonly adoptsContainer: (container: HostContainer) => boolean;
}

/** One thing with what the rows ask of it. */
interface Thing {
  readonly directory: HostDirectory | undefined;
  readonly container: HostContainer | undefined;
  readonly name: string;
  readonly identity: Identity | undefined;
  readonly own: boolean;
  readonly adopted: boolean;
  /** Milliseconds; undefined when nobody knows. */
  readonly age: number | undefined;
  readonly old: boolean;
  /** Who looked. */
  readonly uid: number;
}

interface StaleRow {
  readonly when: (thing: Thing, context: StaleContext) => boolean;
  /** Undefined: it is not stale. */
  readonly code: StaleCode | undefined;
  readonly why: (thing: Thing, age: string) => string;
}

const nothing = (): string => "";

/** First match wins. */
const STALE_ROWS: readonly StaleRow[] = [
  {
    when: ({ directory, name }) => directory?.kind === "directory" && name.startsWith(REAPED),
    code: "reap-leftover",
    why: () => "an earlier `host reap` was cut short while it removed it",
  },
  // A gate comes and goes with the sandbox it is for.
  { when: ({ own, identity }) => own && identity?.role === "sidecar", code: undefined, why: nothing },
  {
    when: ({ own, identity }, { now }) => own && (identity?.expires_at ?? Infinity) <= now,
    code: "expired",
    why: ({ identity }) => `${identity?.role ?? ""}, and its time is over`,
  },
  {
    when: ({ own, identity }, { declared }) =>
      own && identity?.role === "primary" && !declared.has(identity.address),
    code: "orphan",
    why: () => "of this fleet, and no longer declared on this host",
  },
  {
    when: ({ own, old }) => own && old,
    code: "aged",
    why: (_, age) => `of this fleet and declared, ${age} old`,
  },
  { when: ({ own }) => own, code: undefined, why: nothing },
  { when: ({ old }) => !old, code: undefined, why: nothing },
  {
    when: ({ adopted }) => adopted,
    code: "adopted",
    why: (_, age) => `a sandbox by the host's adopt rules, ${age} old`,
  },
  {
    when: ({ identity }) => identity !== undefined,
    code: "other-fleet",
    why: ({ identity }, age) => `of fleet ${identity?.fleet ?? ""}, which is not this one, ${age} old`,
  },
  {
    when: ({ directory }) => directory?.manifest === "unreadable",
    code: "manifest-unreadable",
    why: (_, age) => `its manifest cannot be read, so nobody knows whose it is; ${age} old`,
  },
  {
    when: ({ directory }) => directory !== undefined,
    code: "no-manifest",
    why: (_, age) => `nothing in it says that sandkeep made it; ${age} old`,
  },
];

interface KeptRow {
  readonly when: (thing: Thing, code: StaleCode, context: StaleContext) => boolean;
  /** Undefined: it may be removed, in this way. */
  readonly code: KeptCode | undefined;
  readonly reap?: Stale["reap"];
  readonly why: (thing: Thing, context: StaleContext) => string;
}

/** No shell, pattern or path reads more than a word in these, and none is a way out of the folder above. */
const PLAIN_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._@:-]{1,255}$/;
const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@:-]+){2,}$/;

/** What must not go, then what may. First match wins; the last keeps whatever nothing proves to be a sandbox. */
const KEPT_ROWS: readonly KeptRow[] = [
  {
    when: ({ directory }) => directory?.kind === "link",
    code: "link",
    why: () => "a symbolic link, which is neither followed nor removed",
  },
  {
    when: ({ directory }) => directory?.mounted === true,
    code: "mounted",
    why: () => "something is mounted there",
  },
  {
    when: ({ directory }) =>
      directory !== undefined && !(PLAIN_NAME.test(directory.name) && PLAIN_PATH.test(directory.parent)),
    code: "odd-name",
    why: () => "its path holds more than letters, digits and -._@:",
  },
  {
    when: ({ directory, container }) => directory?.in_use === true || (container?.execs ?? 0) > 0,
    code: "in-use",
    why: () => "a process uses it",
  },
  {
    when: ({ identity, own }, _, { held }) => own && held.has(identity?.address ?? ""),
    code: "held",
    why: ({ identity }, { held }) => `held: ${held.get(identity?.address ?? "") ?? ""}`,
  },
  {
    when: (_, code) => code === "aged",
    code: "declared",
    why: () => "it is declared: `prune` and its own ages decide",
  },
  { when: ({ own }) => own, code: undefined, reap: "fleet", why: nothing },
  {
    when: ({ directory, uid }) => directory !== undefined && uid !== 0 && directory.uid !== uid,
    code: "not-own",
    why: () => "it belongs to another user of the host",
  },
  { when: (_, code) => code === "reap-leftover", code: undefined, reap: "directory", why: nothing },
  {
    when: ({ age }) => age === undefined,
    code: "unknown-age",
    why: () => "nobody knows how old it is",
  },
  {
    when: ({ container, adopted }) => container !== undefined && adopted,
    code: undefined,
    reap: "container",
    why: nothing,
  },
  {
    when: ({ directory, adopted }) => directory?.kind === "directory" && adopted,
    code: undefined,
    reap: "directory",
    why: nothing,
  },
  {
    when: ({ identity }) => identity !== undefined,
    code: "not-proved",
    why: ({ identity }) =>
      `it is another fleet's: \`sandkeep destroy --fleet ${identity?.fleet ?? ""}\` where that one is at home`,
  },
  {
    when: () => true,
    code: "not-proved",
    why: () => "nothing proves that it is a sandbox: an [hosts.NAME.adopt] rule could",
  },
];

/** Sorted: what may be removed first, then by path. */
export function staleOn(snapshot: HostSnapshot, context: StaleContext): Stale[] {
  const directories = snapshot.directories.map((directory) => thingOf(snapshot, context, { directory }));
  const containers = snapshot.containers.map((container) => thingOf(snapshot, context, { container }));
  return [...directories, ...containers]
    .flatMap((thing) => judge(thing, snapshot.host, context))
    .toSorted((a, b) => rank(a) - rank(b) || (a.what < b.what ? -1 : 1));
}

function rank({ reap }: Stale): number {
  return reap === null ? 1 : 0;
}

function thingOf(
  { uid }: HostSnapshot,
  context: StaleContext,
  { directory, container }: { readonly directory?: HostDirectory; readonly container?: HostContainer },
): Thing {
  const identity = identityOf(directory?.labels ?? container?.labels ?? {});
  const since = Date.parse(directory?.changed_at ?? container?.created_at ?? "");
  const age = Number.isNaN(since) ? undefined : Math.max(0, context.now - since);
  return {
    directory,
    container,
    name: directory?.name ?? container?.name ?? "",
    identity,
    own: identity !== undefined && foreignBecause(context, identity) === undefined,
    adopted:
      (directory !== undefined && context.adoptsDirectory(directory.name)) ||
      (container !== undefined && context.adoptsContainer(container)),
    age,
    old: age === undefined || age >= context.older_than,
    uid,
  };
}

function judge(thing: Thing, host: string, context: StaleContext): Stale[] {
  const { directory, container, identity, age } = thing;
  const row = STALE_ROWS.find(({ when }) => when(thing, context));
  if (row?.code === undefined) return [];
  const { code } = row;
  const verdict = KEPT_ROWS.find(({ when }) => when(thing, code, context));
  const told = age === undefined ? "nobody knows how" : roughDuration(age);
  return [
    {
      host,
      kind: directory === undefined ? "container" : "directory",
      what: directory === undefined ? thing.name : `${directory.parent}/${directory.name}`,
      object_id: directory?.identity ?? container?.object_id ?? "",
      engine: container?.engine ?? null,
      address: identity?.address ?? null,
      fleet: identity?.fleet ?? null,
      age_s: age === undefined ? null : Math.round(age / 1000),
      code,
      why: row.why(thing, told),
      reap: verdict?.reap ?? null,
      kept: verdict?.code === undefined ? null : { code: verdict.code, why: verdict.why(thing, context) },
    },
  ];
}
