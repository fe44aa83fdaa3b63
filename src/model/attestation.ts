import * as z from "zod";
import type { Json } from "./json.ts";

const json: z.ZodType<Json> = z.json();

/** One promise of a spec, held against what the inside of its runtime shows. */
export const checkSchema = z.strictObject({
  /** Field path: `docker.network`. */
  path: z.string(),
  /** `unknown`: it could not be looked at, which proves nothing and counts as not held. */
  status: z.enum(["held", "broken", "unknown"]),
  asked: json,
  found: json,
  /** One clause for people. */
  why: z.string(),
});
export type Check = z.infer<typeof checkSchema>;

/** What can be held against the inside of a Linux runtime. `path` is the field that promises it. */
export type Promised = { readonly path: string; readonly asked: Json } & (
  | {
      readonly kind: "read-only";
      /** Absolute path inside. */
      readonly target: string;
      /** Mounts below the target that are meant to be writable; undefined where what lies below is not promised. */
      readonly except: readonly string[] | undefined;
    }
  | { readonly kind: "mounted"; readonly target: string; readonly type: string }
  | { readonly kind: "no-network" }
  /** Bytes. */
  | { readonly kind: "memory"; readonly most: number }
  /** Bytes of memory and swap together, and of memory alone. */
  | { readonly kind: "swap"; readonly most: number; readonly memory: number }
  | { readonly kind: "pids"; readonly most: number }
  /** Cores. */
  | { readonly kind: "cpus"; readonly most: number }
  | { readonly kind: "capabilities"; readonly most: readonly string[] }
  | { readonly kind: "no-new-privileges" }
  | { readonly kind: "seccomp"; readonly filtered: boolean }
  | { readonly kind: "apparmor"; readonly profile: string }
  /** `user`, `uid`, or either with `:group`. */
  | { readonly kind: "user"; readonly user: string }
  | { readonly kind: "ulimit"; readonly name: string; readonly hard: number }
);
