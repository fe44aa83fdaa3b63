import type { Address } from "./names.ts";

/** What the labels of a runtime that is not primary say of its life. */
export interface PassingRole {
  readonly role: "ephemeral";
  /** Milliseconds since the epoch. */
  readonly expires_at: number;
  /** It stays until then; otherwise it goes with the end of its run. */
  readonly keep: boolean;
}

/** A runtime that no declaration yields, wanted for one run, with the settings of one agent. */
export interface EphemeralWish extends Omit<PassingRole, "role"> {
  readonly address: Address;
  readonly agent: string;
}
