/** What is said of a host key that is not accepted: the line that stands in the way, and the line that would let it in. */
import { assertNever, SandkeepError } from "../errors.ts";
import type { HostKey, KeyVerdict, KnownHost } from "./known-hosts.ts";
import { fingerprint } from "./known-hosts.ts";

export interface HostKeyFacts {
  /** As a known_hosts line names the host. */
  readonly name: string;
  readonly key: HostKey;
  /** Where the keys are looked up, for people: a path, or the config's key. */
  readonly where: string;
}

type Refused = Exclude<KeyVerdict, { readonly status: "known" }>;

function told(message: string, hint: string): SandkeepError {
  return new SandkeepError(message, { code: "SSH_HOST_KEY", kind: "denied", blame: "backend", hint });
}

export function hostKeyRefused(verdict: Refused, facts: HostKeyFacts): SandkeepError {
  const { name, key, where } = facts;
  const print = fingerprint(key.key);
  const line = `${name} ${key.type} ${key.key}`;
  switch (verdict.status) {
    case "unknown":
      return told(
        `the host key of ${name} (${key.type} ${print}) is not known: no line of ${where} is for it. Its line would be: ${line}`,
        `check that fingerprint with whoever runs the host, then add that line to ${where}`,
      );
    case "changed":
      return told(
        `the host key of ${name} has changed to ${key.type} ${print}; ${placeOf(verdict.line)} has another one. Somebody may be listening in. The new line would be: ${line}`,
        `ask whoever runs the host; only if it was really set up anew, replace ${placeOf(verdict.line)} with the new one`,
      );
    case "revoked":
      return told(
        `the host key of ${name} (${key.type} ${print}) is revoked by ${placeOf(verdict.line)}`,
        "the host must get a new key; never remove that line for an old one",
      );
    default:
      return assertNever(verdict);
  }
}

function placeOf({ file, line }: KnownHost): string {
  return `line ${String(line)} of ${file}`;
}
