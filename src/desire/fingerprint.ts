import { createHmac } from "node:crypto";

/** A key that keyed fingerprints are made with, and the name it goes by in labels. */
export interface FingerprintKey {
  readonly id: string;
  readonly key: Uint8Array;
}

/**
 * `<key id>:<HMAC>` of a secret: tells that a value changed without telling anything of the value.
 * The name is part of the message, so equal values under two names do not look equal.
 */
export function fingerprint(key: FingerprintKey, name: string, value: string): string {
  return `${key.id}:${createHmac("sha256", key.key).update(`${name}\0${value}`).digest("hex")}`;
}

/** Unlike key ids are never compared: *unknown* is not *changed*. */
export function compareFingerprints(
  before: string | undefined,
  after: string | undefined,
): "same" | "changed" | "unknown" {
  if (before === undefined || after === undefined) return "unknown";
  if (before === after) return "same";
  return before.split(":")[0] === after.split(":")[0] ? "changed" : "unknown";
}
