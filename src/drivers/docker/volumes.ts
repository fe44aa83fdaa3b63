import { createHash } from "node:crypto";
import { ADDRESS_LABEL, FLEET_ID_LABEL, FLEET_LABEL } from "../../model/labels.ts";
import { isAddress } from "../../model/names.ts";
import type { DormancyMark } from "../../model/observed.ts";
import type { Owner } from "../../model/ownership.ts";
import { foreignBecause, ownerIn } from "../../model/ownership.ts";
import type { ObserveScope } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isGone } from "./errors.ts";
import { readVolumes, readVolume } from "./wire.ts";

const LABEL = {
  fleetId: FLEET_ID_LABEL,
  address: ADDRESS_LABEL,
  since: "sandkeep.dormant-since",
  reason: "sandkeep.dormant-reason",
} as const;

/** Says whose an object is that is no runtime, for people and for a later clean-up; a shared one has no address. */
export function ownershipLabels({
  fleet,
  fleet_id,
  address,
}: Owner & { readonly address: string | undefined }): Record<string, string> {
  return {
    [FLEET_LABEL]: fleet,
    ...(address === undefined ? {} : { [LABEL.address]: address }),
    ...(fleet_id === undefined ? {} : { [LABEL.fleetId]: fleet_id }),
  };
}

export function isOwned(owner: Owner, labels: Partial<Owner>): boolean {
  return foreignBecause(owner, labels) === undefined;
}

/** Why a volume is not what this fleet keeps for an address; undefined when it is. */
export function foreignVolume(
  owner: Owner,
  address: string,
  labels: Readonly<Record<string, string>>,
): string | undefined {
  const holder = ownerIn(labels);
  if (holder.fleet === undefined) return "sandkeep did not make it";
  const why = foreignBecause(owner, holder);
  if (why !== undefined || labels[LABEL.address] === address) return why;
  return `it belongs to ${labels[LABEL.address] ?? "no address"}`;
}

/** Marks are empty volumes: the one object of an engine that can carry labels and costs nothing. */
export function markName(kind: "dormant" | "unfilled", owner: Owner, address: string): string {
  const key = `${owner.fleet}\0${owner.fleet_id ?? ""}\0${address}`;
  return `sandkeep-${kind}-${createHash("sha256").update(key).digest("hex").slice(0, 24)}`;
}

/** The marks of these addresses alone: their names are known, and a list costs the more the more volumes there are. */
export async function findMarks(
  engine: Engine,
  scope: ObserveScope,
  addresses: readonly string[],
): Promise<DormancyMark[]> {
  const found = await Promise.all(
    addresses.map((address) => volumeLabels(engine, markName("dormant", scope, address))),
  );
  return found.flatMap((labels) => (labels === undefined ? [] : ownMark(scope, labels)));
}

export async function listMarks(engine: Engine, scope: ObserveScope): Promise<DormancyMark[]> {
  const { Volumes } = await engine.json(
    {
      what: "list volumes",
      method: "GET",
      path: "/volumes",
      query: { filters: { label: [`${FLEET_LABEL}=${scope.fleet}`, LABEL.since] } },
    },
    readVolumes,
  );
  return Volumes.flatMap(({ Labels }) => ownMark(scope, Labels));
}

function ownMark(scope: Owner, labels: Readonly<Record<string, string>>): DormancyMark[] {
  const mark = readMark(labels);
  const owned = mark !== undefined && foreignVolume(scope, mark.address, labels) === undefined;
  return owned ? [mark] : [];
}

function readMark(labels: Readonly<Record<string, string>>): DormancyMark | undefined {
  const address = labels[LABEL.address] ?? "";
  const since = Number(labels[LABEL.since]);
  if (!isAddress(address) || !Number.isSafeInteger(since) || since < 0) return undefined;
  return { address, since, reason: labels[LABEL.reason] ?? "" };
}

export async function setMark(
  engine: Engine,
  scope: ObserveScope,
  address: string,
  mark: Omit<DormancyMark, "address"> | undefined,
): Promise<void> {
  const name = markName("dormant", scope, address);
  if (mark === undefined) return removeVolume(engine, name);
  await makeMark(engine, `mark ${address} as dormant`, name, {
    [FLEET_LABEL]: scope.fleet,
    ...(scope.fleet_id === undefined ? {} : { [LABEL.fleetId]: scope.fleet_id }),
    [LABEL.address]: address,
    [LABEL.since]: String(Math.trunc(mark.since)),
    [LABEL.reason]: mark.reason,
  });
}

export async function makeMark(
  engine: Engine,
  what: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const made = await createVolume(engine, what, name, labels);
  // An older mark answers in its place, and labels cannot change.
  if (Object.entries(labels).some(([key, value]) => made[key] !== value)) {
    await removeVolume(engine, name);
    await createVolume(engine, what, name, labels);
  }
}

/** Labels of the volume of this name: these, or those of one that was there already. */
export async function createVolume(
  engine: Engine,
  what: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const body = { Name: name, Labels: labels };
  const { Labels } = await engine.json({ what, method: "POST", path: "/volumes/create", body }, readVolume);
  return Labels;
}

export async function volumeLabels(
  engine: Engine,
  name: string,
): Promise<Record<string, string> | undefined> {
  try {
    const found = await engine.json(
      { what: `inspect volume ${name}`, method: "GET", path: `/volumes/${encodeURIComponent(name)}` },
      readVolume,
    );
    return found.Labels;
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    throw thrown;
  }
}

/** Success when it is already gone; a conflict while a container still uses it. */
export async function removeVolume(engine: Engine, name: string): Promise<void> {
  try {
    await engine.send({
      what: `remove volume ${name}`,
      method: "DELETE",
      path: `/volumes/${encodeURIComponent(name)}`,
    });
  } catch (thrown) {
    if (!isGone(thrown)) throw thrown;
  }
}
