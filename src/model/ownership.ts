import { FLEET_ID_LABEL, FLEET_LABEL } from "./labels.ts";

/** Who a config says it is. */
export interface Owner {
  readonly fleet: string;
  readonly fleet_id?: string | undefined;
}

/** Whose the labels of an engine's object say that it is; nobody's where they say nothing. */
export function ownerIn(labels: Readonly<Record<string, string | undefined>>): Partial<Owner> {
  const fleet = labels[FLEET_LABEL];
  return { ...(fleet === undefined ? {} : { fleet }), fleet_id: labels[FLEET_ID_LABEL] };
}

/**
 * Why something with these labels is not this fleet's, or undefined when it is. Without an id in the config the name
 * alone owns; with one, what carries another id or none was made by somebody else and is never touched.
 */
export function foreignBecause(owner: Owner, labels: Partial<Owner>): string | undefined {
  if (labels.fleet !== owner.fleet) return `it belongs to the fleet "${labels.fleet ?? ""}"`;
  if (owner.fleet_id === undefined || labels.fleet_id === owner.fleet_id) return undefined;
  return labels.fleet_id === undefined
    ? `it belongs to a fleet "${owner.fleet}" without a fleet_id`
    : `it belongs to another fleet of the name "${owner.fleet}" (fleet_id ${labels.fleet_id})`;
}
