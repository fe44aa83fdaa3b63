/** What must not be copied from one file into another that people commit. When in doubt, a value is a credential. */

const CREDENTIAL_NAME =
  /api_?key|access_?key|private_?key|secret|credential|passw|passphrase|_pwd$|_pat$|token(?![a-z])|(?<![a-z])auth(?!or)|cookie|_dsn$/i;

/** Names whose values say where a credential is, not what it is. */
const PLACE_NAME = /(?:_file|_path|_dir|_sock|_socket)$/i;

const HARMLESS = /^(?:|true|false|yes|no|on|off)$/i;

/** Shapes of credentials that are recognised wherever they stand. */
const CREDENTIALS: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY/,
  /\b(?:sk|pk|rk)[-_](?:[a-z]+[-_])*[A-Za-z0-9_-]{16,}/,
  /\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bnpm_[A-Za-z0-9]{20,}/,
  /\bxox[a-z]-[\w-]{10,}|\bAIza[\w-]{30,}|\bhf_[A-Za-z0-9]{20,}/,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/,
  /[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i,
  /bearer\s+[\w.~+/-]{8,}/i,
  /(?:token|passw(?:or)?d|passphrase|secret|api_?key)["']?\s*[=:]\s*["']?[^\s"'$]{4,}/i,
  // After a blank only what is no plain word: `token cache` is prose, `--password hunter2` is not.
  /(?:token|passw(?:or)?d|passphrase|secret|api-?key)\s+["']?(?=[^\s"'$]*[A-Z\d])[^\s"'$]{6,}/i,
];

/** Long and without a shape: a hash, or a key. */
const LONG_RANDOM = /^(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[A-Za-z0-9+/=_-]{32,}$/;

function holdsCredential(text: string): boolean {
  return CREDENTIALS.some((shape) => shape.test(text));
}

/** Whether a variable's value is to be looked up when it is needed instead of standing in a config. */
export function isSecretVariable(name: string, value: string): boolean {
  if (HARMLESS.test(value)) return false;
  if (holdsCredential(value) || LONG_RANDOM.test(value)) return true;
  return CREDENTIAL_NAME.test(name) && !PLACE_NAME.test(name);
}

/** Why a value of any shape is not copied; undefined for what may be. */
export function guardCredentials(value: unknown): string | undefined {
  const texts = Array.isArray(value) ? value : [value];
  return texts.some((text) => typeof text === "string" && holdsCredential(text))
    ? "it holds what looks like a credential, so it was not copied; hand it over with [sandbox.secrets]"
    : undefined;
}
