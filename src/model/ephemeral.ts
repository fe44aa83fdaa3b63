import * as z from "zod";
import type { Address } from "./names.ts";

/** What the labels of a runtime that is not primary say of its life. */
export const passingRoleSchema = z.strictObject({
  role: z.enum(["ephemeral", "canary"]),
  /** Milliseconds since the epoch. */
  expires_at: z.int().positive(),
  /** It stays until then; otherwise it goes with the end of its run. */
  keep: z.boolean(),
});
export type PassingRole = Readonly<z.infer<typeof passingRoleSchema>>;

/** A runtime that no declaration yields, wanted for one run, with the settings of one agent. */
export interface EphemeralWish extends Omit<PassingRole, "role"> {
  /** `ephemeral` when it is not said. */
  readonly role?: PassingRole["role"];
  readonly address: Address;
  readonly agent: string;
}
