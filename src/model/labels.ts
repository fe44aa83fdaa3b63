import { parseJson } from "./json-text.ts";
import type { Address, RuntimeKind, RuntimeRole } from "./names.ts";
import { isAddress } from "./names.ts";
import type { SalvageSettings } from "./salvage.ts";
import { salvageSettingsSchema } from "./salvage.ts";
import type { ImageIdentity, Spec, SpecHash } from "./spec.ts";

/** Every key of ours starts with this; config may not set keys that do. */
export const LABEL_PREFIX = "sandkeep.";

/** What every runtime carries, written once at creation: labels cannot change on a running object. */
export interface RuntimeLabels {
  readonly fleet: string;
  /** Absent when the config has no `fleet_id`: then the name alone owns. */
  readonly fleet_id?: string;
  readonly address: Address;
  readonly kind: RuntimeKind;
  readonly role: RuntimeRole;
  /** The name without slot suffix, so that a renamed runtime still says who it is. */
  readonly name: string;
  readonly agent?: string;
  readonly session?: string;
  readonly spec_hash: SpecHash;
  /** The creation spec, without secrets: gives `before` for every field, and tells config drift from live drift. */
  readonly spec: Spec;
  readonly image?: ImageIdentity;
  /** Secret name → `<key id>:<keyed HMAC>`, for secrets that setup or the main program consumed. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly protect: boolean;
  /** How its files are kept when it is no longer declared and goes; absent where they are not. */
  readonly salvage?: SalvageSettings;
  /** Id of the state directory that created it. */
  readonly owner: string;
  /** Milliseconds since the epoch. */
  readonly created_at: number;
  /** Until then a `.new` of another state directory is left alone. */
  readonly candidate_until: number;
  /** For roles other than primary. */
  readonly expires_at?: number;
  /** An ephemeral one stays until it expires; otherwise it goes with the end of the run it was made for. */
  readonly keep?: true;
  /** Of the apply that created it. */
  readonly plan_id?: string;
}

const KEY = {
  fleet: "sandkeep.fleet",
  fleetId: "sandkeep.fleet-id",
  address: "sandkeep.address",
  kind: "sandkeep.kind",
  role: "sandkeep.role",
  name: "sandkeep.name",
  agent: "sandkeep.agent",
  session: "sandkeep.session",
  specHash: "sandkeep.spec-hash",
  spec: "sandkeep.spec",
  image: "sandkeep.image",
  secrets: "sandkeep.secrets",
  protect: "sandkeep.protect",
  salvage: "sandkeep.salvage",
  owner: "sandkeep.owner",
  createdAt: "sandkeep.created-at",
  candidateUntil: "sandkeep.candidate-until",
  expiresAt: "sandkeep.expires-at",
  keep: "sandkeep.keep",
  planId: "sandkeep.plan-id",
} as const;

/** The key that names the fleet, for engines that can filter a list by label. */
export const FLEET_LABEL = KEY.fleet;
/** The keys that say whose and what an object is that is no runtime: a volume, a network, a gate. */
export const FLEET_ID_LABEL = KEY.fleetId;
export const ADDRESS_LABEL = KEY.address;
export const ROLE_LABEL = KEY.role;
/** Whose an object is, what, and until when: without what it is made of. */
export const IDENTITY_LABELS = [
  KEY.fleet,
  KEY.fleetId,
  KEY.address,
  KEY.role,
  KEY.name,
  KEY.owner,
  KEY.expiresAt,
] as const;

export interface Identity {
  readonly fleet: string;
  readonly fleet_id: string | undefined;
  readonly address: Address;
  readonly role: RuntimeRole;
  readonly expires_at: number | undefined;
}

/** Undefined for what does not say that it is one of ours; other tools can write labels too. */
export function identityOf(text: Readonly<Record<string, string>>): Identity | undefined {
  const fleet = text[KEY.fleet];
  const address = text[KEY.address];
  const role = ROLES.find((each) => each === text[KEY.role]);
  if (!fleet || !address || !isAddress(address) || role === undefined) return undefined;
  const expires = text[KEY.expiresAt];
  return {
    fleet,
    fleet_id: text[KEY.fleetId],
    address,
    role,
    expires_at: expires === undefined ? undefined : count(expires),
  };
}

export function encodeLabels(labels: RuntimeLabels): Record<string, string> {
  const text: Record<string, string> = {
    [KEY.fleet]: labels.fleet,
    [KEY.address]: labels.address,
    [KEY.kind]: labels.kind,
    [KEY.role]: labels.role,
    [KEY.name]: labels.name,
    [KEY.specHash]: labels.spec_hash,
    [KEY.spec]: JSON.stringify(labels.spec),
    [KEY.secrets]: JSON.stringify(labels.secrets),
    [KEY.protect]: String(labels.protect),
    [KEY.owner]: labels.owner,
    [KEY.createdAt]: String(labels.created_at),
    [KEY.candidateUntil]: String(labels.candidate_until),
  };
  if (labels.fleet_id !== undefined) text[KEY.fleetId] = labels.fleet_id;
  if (labels.agent !== undefined) text[KEY.agent] = labels.agent;
  if (labels.session !== undefined) text[KEY.session] = labels.session;
  if (labels.salvage !== undefined) text[KEY.salvage] = JSON.stringify(labels.salvage);
  if (labels.image !== undefined) text[KEY.image] = JSON.stringify(labels.image);
  if (labels.expires_at !== undefined) text[KEY.expiresAt] = String(labels.expires_at);
  if (labels.keep === true) text[KEY.keep] = "true";
  if (labels.plan_id !== undefined) text[KEY.planId] = labels.plan_id;
  return text;
}

const ROLES: readonly RuntimeRole[] = ["primary", "ephemeral", "canary", "sidecar"];
const HASH = /^v\d+:sha256:[0-9a-f]{64}$/;

function isSpecHash(text: string): text is SpecHash {
  return HASH.test(text);
}

/**
 * Labels read back. Other tools can write labels too, so every value is checked;
 * undefined means that these are not labels of ours in a form this version reads.
 */
export function decodeLabels(text: Readonly<Record<string, string>>): RuntimeLabels | undefined {
  const fleet = text[KEY.fleet];
  const address = text[KEY.address];
  const name = text[KEY.name];
  const hash = text[KEY.specHash];
  const role = ROLES.find((each) => each === text[KEY.role]);
  const spec = parseSpec(text[KEY.spec]);
  if (!fleet || !address || !name || !hash || role === undefined || spec === undefined) return undefined;
  if (!isAddress(address) || !isSpecHash(hash)) return undefined;
  const image = parseImage(text[KEY.image]);
  const salvage = salvageSettingsSchema.safeParse(parseObject(text[KEY.salvage])).data;
  const expires = text[KEY.expiresAt] === undefined ? undefined : count(text[KEY.expiresAt]);
  return {
    fleet,
    ...(text[KEY.fleetId] === undefined ? {} : { fleet_id: text[KEY.fleetId] }),
    address,
    kind: text[KEY.kind] === "browser" ? "browser" : "sandbox",
    role,
    name,
    ...(text[KEY.agent] === undefined ? {} : { agent: text[KEY.agent] }),
    ...(text[KEY.session] === undefined ? {} : { session: text[KEY.session] }),
    spec_hash: hash,
    spec,
    ...(image === undefined ? {} : { image }),
    secrets: parseStrings(text[KEY.secrets]),
    protect: text[KEY.protect] === "true",
    ...(salvage === undefined ? {} : { salvage }),
    owner: text[KEY.owner] ?? "",
    created_at: count(text[KEY.createdAt]),
    candidate_until: count(text[KEY.candidateUntil]),
    ...(expires === undefined ? {} : { expires_at: expires }),
    ...(text[KEY.keep] === "true" ? { keep: true as const } : {}),
    ...(text[KEY.planId] === undefined ? {} : { plan_id: text[KEY.planId] }),
  };
}

function count(text: string | undefined): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function parseObject(text: string | undefined): Record<string, unknown> | undefined {
  const value = text === undefined ? undefined : parseJson(text);
  return isRecord(value) ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Specs by their text: most runtimes of a fleet have one spec, and each is read at every look. */
const specs = new Map<string, Spec | undefined>();
const MOST_SPECS = 64;

function parseSpec(text = ""): Spec | undefined {
  if (specs.has(text)) return specs.get(text);
  if (specs.size >= MOST_SPECS) specs.clear();
  const spec = readSpec(text);
  specs.set(text, spec);
  return spec;
}

function readSpec(text: string): Spec | undefined {
  const value = parseObject(text);
  if (value === undefined || typeof value["backend"] !== "string" || !isJsonObject(value["values"]))
    return undefined;
  return {
    kind: value["kind"] === "browser" ? "browser" : "sandbox",
    backend: value["backend"],
    values: value["values"],
  };
}

/** Everything JSON.parse returns is JSON, so an object from it needs no deeper look. */
function isJsonObject(value: unknown): value is Spec["values"] {
  return isRecord(value);
}

const IMAGE_KINDS: readonly ImageIdentity["kind"][] = ["index", "manifest", "config"];

function parseImage(text: string | undefined): ImageIdentity | undefined {
  const value = parseObject(text);
  const kind = IMAGE_KINDS.find((each) => each === value?.["kind"]);
  const { ref, digest, platform } = value ?? {};
  if (
    kind === undefined ||
    typeof ref !== "string" ||
    typeof digest !== "string" ||
    typeof platform !== "string"
  ) {
    return undefined;
  }
  return { ref, kind, digest, platform };
}

function parseStrings(text: string | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(parseObject(text) ?? {})) {
    if (typeof value === "string") found[key] = value;
  }
  return found;
}
