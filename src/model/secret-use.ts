import type { SecretSetting, SecretUse } from "./settings.ts";

/** Who gets a secret that does not say. */
const USUALLY: readonly SecretUse[] = ["run", "setup"];

export function isFor(secret: SecretSetting, use: SecretUse): boolean {
  return (secret.for ?? USUALLY).includes(use);
}

/** Names of those that one consumer gets, sorted. */
export function namesFor(secrets: Readonly<Record<string, SecretSetting>>, use: SecretUse): string[] {
  return Object.entries(secrets)
    .filter(([, secret]) => isFor(secret, use))
    .map(([name]) => name)
    .toSorted();
}
