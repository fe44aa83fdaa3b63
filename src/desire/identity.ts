import type { Address } from "../model/names.ts";
import { sha256 } from "../util/canonical.ts";

const SLUG_LENGTH = 28;

/**
 * A runtime's canonical engine name: `<prefix>-<fleet>-<slug>-<hash8>`. It is the same on every machine, and the
 * hash over fleet and address keeps apart what the slug makes alike (`a.b` and `a-b`). It never ends in a
 * slot suffix, since it always ends in a hash.
 */
export function runtimeName(prefix: string, fleet: string, address: Address): string {
  const slug = address
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, SLUG_LENGTH)
    .replace(/-$/, "");
  return `${prefix}-${fleet}-${slug}-${sha256(`${fleet}\0${address}`).slice(0, 8)}`;
}
