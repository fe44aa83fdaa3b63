import { createHash } from "node:crypto";
import type { DesiredRuntime } from "../desire/desire.ts";
import type { FingerprintKey } from "../desire/fingerprint.ts";
import { fingerprint } from "../desire/fingerprint.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { namesFor } from "../model/secret-use.ts";
import type { SecretRef, Settings } from "../model/settings.ts";
import { formatKeyPath } from "../model/source.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { SecretIo } from "../resolve/secrets.ts";
import { resolveSecret } from "../resolve/secrets.ts";
import { readStateKey, stateKey } from "../state/secret-key.ts";
import type { Engine } from "./engine.ts";
import { secretIo } from "./engine.ts";

export interface Fingerprints {
  readonly of: (desired: DesiredRuntime) => Readonly<Record<string, string>>;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Keyed fingerprints of the secrets that a setup or a main program consumes; nothing else reads a secret before it is used.
 * A secret that cannot be read is unknown, which is told and never counts as changed.
 */
export async function fingerprintSecrets(
  engine: Engine,
  config: LoadedFleet | undefined,
  desired: readonly DesiredRuntime[],
): Promise<Fingerprints> {
  const consuming = new Map<Settings, DesiredRuntime>();
  for (const each of desired) {
    if (recorded(each.settings).length > 0) consuming.set(each.settings, each);
  }
  if (config === undefined || consuming.size === 0) return { of: () => ({}), diagnostics: [] };
  const io = secretIo(engine, config);
  const diagnostics: Diagnostic[] = [];
  const key = await fingerprintKey(engine, config, io, diagnostics);
  const prints = new Map<Settings, Record<string, string>>();
  for (const [settings, each] of consuming) {
    const found: Record<string, string> = {};
    for (const name of recorded(settings)) {
      const ref = settings.secrets[name];
      if (ref === undefined) continue;
      const secret = await resolveSecret(ref, io);
      if (secret.status === "unresolved") diagnostics.push(unresolved(each, name, secret.message));
      else if (key !== undefined) found[name] = fingerprint(key, name, secret.value);
    }
    prints.set(settings, found);
  }
  return { of: (each) => prints.get(each.settings) ?? {}, diagnostics };
}

/** Secrets that made a runtime what it is: those of its setup and of its main program. */
function recorded({ setup, secrets }: Settings): string[] {
  const ofSetup = setup.length === 0 ? [] : namesFor(secrets, "setup");
  return [...new Set([...ofSetup, ...namesFor(secrets, "command")])];
}

/** Bytes. Labels hold what a guess could be tried against. */
const SHORTEST_KEY = 20;

function guessable({ loaded }: LoadedFleet): Diagnostic {
  return {
    severity: "warning",
    code: "secrets-key-short",
    message: `the key of [secrets] is shorter than ${SHORTEST_KEY} bytes, so that who reads labels could guess it`,
    hint: "use a long random one, such as what `openssl rand -base64 32` prints",
    path: "secrets.key",
    ...loaded.locate(["secrets", "key"]),
  };
}

/** The config's own key, so that CI and a build host agree; else this state directory's. */
async function fingerprintKey(
  engine: Engine,
  config: LoadedFleet,
  io: SecretIo,
  diagnostics: Diagnostic[],
): Promise<FingerprintKey | undefined> {
  const ref: SecretRef | undefined = config.fleet.secrets_key;
  if (ref === undefined) return readStateKey(engine.stateDir);
  const secret = await resolveSecret(ref, io);
  if (secret.status === "unresolved") return undefined;
  if (Buffer.byteLength(secret.value) < SHORTEST_KEY) diagnostics.push(guessable(config));
  const key = createHash("sha256").update("sandkeep fingerprint key\0").update(secret.value).digest();
  return { id: createHash("sha256").update("sandkeep key id\0").update(key).digest("hex").slice(0, 12), key };
}

/** Made before an apply or a saved plan, so that what is created can carry fingerprints. Other plans make nothing. */
export async function ensureFingerprintKey(engine: Engine): Promise<void> {
  await stateKey(engine.stateDir);
}

function unresolved(each: DesiredRuntime, name: string, message: string): Diagnostic {
  const { key, source } = each.provenance(`secrets.${name}`);
  return {
    severity: "warning",
    code: "secret-unresolved",
    message: `${message}; whether it changed is unknown`,
    path: formatKeyPath(key),
    ...source,
  };
}
