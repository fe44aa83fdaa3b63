/**
 * In: a host's `ssh` table, this machine's environment, and a way to read secrets. Out: everything a transport needs,
 * read once: where to, as whom, with which keys, and which host keys count. Also which transport it takes, and why.
 */
import { readFile, realpath } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { SandkeepError } from "../errors.ts";
import type { ProbeReason } from "../model/posture.ts";
import type { SecretRef, SshAccess } from "../model/settings.ts";
import { isAccessible } from "../util/accessible.ts";
import { configNames } from "./ssh-config.ts";
import type { KnownHost } from "./known-hosts.ts";
import { hostPattern, needsHostCertificate, parseKnownHosts } from "./known-hosts.ts";
import type { Target } from "../util/ssh-target.ts";
import { SSH_PORT } from "./target.ts";
import { parseTarget } from "../util/ssh-target.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** The value of a secret, or an error that says why there is none. `folder` is where its program starts. */
export type ReadSecret = (ref: SecretRef, folder: string) => Promise<string>;

/** What a connection needs from outside. */
export interface RemoteDeps {
  readonly env: Env;
  readonly secret?: ReadSecret;
  readonly randomId: () => string;
}

/** Milliseconds. */
export interface Timing {
  readonly connectMs: number;
  /** Between two signs of life; three that are missed end the connection. */
  readonly aliveMs: number;
}

export const TIMING: Timing = { connectMs: 20_000, aliveMs: 15_000 };

export interface Key {
  readonly text: string;
  /** Absent for a key that stands in no file. */
  readonly file?: string;
}

export interface Access {
  readonly written: SshAccess;
  readonly target: Required<Target>;
  /** Hosts to go through, in order; for them the same keys and host keys count. */
  readonly jumps: readonly Required<Target>[];
  /** As people know it: `ci@build1`. */
  readonly label: string;
  readonly home: string;
  readonly env: Env;
  readonly keys: readonly Key[];
  readonly certificate?: Key;
  /** Socket of the user's agent; absent where a key is given. */
  readonly agent?: string;
  readonly known: readonly KnownHost[];
  /** Where the keys are looked up, for people. */
  readonly knownFrom: string;
  readonly strict: boolean;
  readonly transport: "ssh2" | "openssh";
}

const DEFAULT_KEYS = ["id_ed25519", "id_ecdsa", "id_rsa"];
const GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts";

export async function readAccess(name: string, written: SshAccess, deps: RemoteDeps): Promise<Access> {
  const { env } = deps;
  const home = env["HOME"] ?? homedir();
  const whole = (text: string): Required<Target> => {
    const { user = env["USER"] ?? userInfo().username, host, port = SSH_PORT } = parseTarget(text);
    return { user, host, port };
  };
  const { known, knownFrom, why } = await waysTo(name, written, home);
  const given = await givenKey(written, deps);
  const keys = given === undefined ? await defaultKeys(home) : [given];
  const certificate = await certificateOf(written, deps);
  const agent = given === undefined ? env["SSH_AUTH_SOCK"] : undefined;
  const transport = why === undefined ? "ssh2" : "openssh";
  return {
    written,
    target: whole(written.target),
    jumps: jumpsOf(written).map(whole),
    label: written.target,
    home,
    env,
    keys,
    ...(certificate === undefined ? {} : { certificate }),
    ...(agent === undefined || agent === "" ? {} : { agent }),
    known,
    knownFrom,
    strict: written.strict_host_key,
    transport,
  };
}

/** The hosts to go through, as they are written. */
export function jumpsOf({ jump }: SshAccess): readonly string[] {
  return jump === undefined ? [] : jump.split(",");
}

async function waysTo(name: string, written: SshAccess, home: string) {
  const { known, knownFrom } = await knownHosts(name, written, home);
  return { known, knownFrom, why: await whyOpenssh(written, home, known) };
}

/** What somebody should know of how a host is reached, told without a connection and without reading a secret. */
export async function accessPosture(
  name: string,
  written: SshAccess,
  env: Env,
): Promise<readonly ProbeReason[]> {
  const { why } = await waysTo(name, written, env["HOME"] ?? homedir());
  for (const file of [written.identity_file, written.certificate_file]) {
    if (file !== undefined) await readKey("key", file);
  }
  return postureOf(name, written, why);
}

/** Why the system's ssh is used; undefined where the built-in client can do all that is asked. */
async function whyOpenssh(
  written: SshAccess,
  home: string,
  known: readonly KnownHost[],
): Promise<string | undefined> {
  if (written.transport === "ssh2") return undefined;
  if (written.transport === "openssh") return 'transport = "openssh"';
  if (written.certificate !== undefined || written.certificate_file !== undefined)
    return "a user certificate takes it";
  const hops = [...jumpsOf(written), written.target].map(parseTarget);
  if (hops.some(({ host, port = SSH_PORT }) => needsHostCertificate(known, hostPattern(host, port))))
    return "an authority vouches for the host's key";
  const config = join(home, ".ssh", "config");
  const text = await readFile(config, "utf8").catch(() => "");
  return hops.some(({ host }) => configNames(text, host)) ? `${config} speaks of this host` : undefined;
}

function postureOf(name: string, written: SshAccess, why: string | undefined): readonly ProbeReason[] {
  const reasons: ProbeReason[] = [];
  if (written.identity === undefined && written.identity_file === undefined) {
    reasons.push({
      code: "ssh-default-identity",
      message: `no key is given for host ${name}: the agent's keys and those in ~/.ssh are tried`,
      fix: `set hosts.${name}.ssh.identity_file`,
    });
  }
  if (written.known_hosts === undefined && written.known_hosts_file === undefined) {
    reasons.push({
      code: "ssh-default-known-hosts",
      message: `no known_hosts is given for host ${name}: the user's own ~/.ssh/known_hosts counts`,
      fix: `set hosts.${name}.ssh.known_hosts_file`,
    });
  }
  if (!written.strict_host_key) {
    reasons.push({
      code: "ssh-host-key-not-strict",
      message: `host ${name} may show a key that nobody knows: whoever answers first is believed`,
      fix: `remove strict_host_key = false from hosts.${name}.ssh`,
    });
  }
  if (why !== undefined) {
    reasons.push({
      code: "ssh-system-client",
      message: `host ${name} is reached with the system's ssh: ${why}`,
      fix: "nothing need be done; the built-in client is quicker",
    });
  }
  return reasons;
}

async function knownHosts(
  name: string,
  written: SshAccess,
  home: string,
): Promise<{ readonly known: readonly KnownHost[]; readonly knownFrom: string }> {
  if (written.known_hosts !== undefined) {
    const knownFrom = `hosts.${name}.ssh.known_hosts`;
    return { known: parseKnownHosts(written.known_hosts, knownFrom), knownFrom };
  }
  const file = written.known_hosts_file ?? join(home, ".ssh", "known_hosts");
  const files = written.known_hosts_file === undefined ? [file, GLOBAL_KNOWN_HOSTS] : [file];
  const texts = await Promise.all(
    files.map(async (each) => parseKnownHosts(await textOf(each, written.known_hosts_file), each)),
  );
  return { known: texts.flat(), knownFrom: file };
}

/** The usual file may be absent; one that is named may not. */
async function textOf(path: string, named: string | undefined): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (path !== named) return "";
    throw unreadable("known_hosts file", path, cause);
  }
}

async function givenKey(written: SshAccess, deps: RemoteDeps): Promise<Key | undefined> {
  const { identity, identity_file: file, folder } = written;
  if (identity !== undefined) return { text: withNewline(await secretOf(deps, identity, folder)) };
  return file === undefined ? undefined : { text: await readKey("key", file), file };
}

async function certificateOf(written: SshAccess, deps: RemoteDeps): Promise<Key | undefined> {
  const { certificate, certificate_file: file, folder } = written;
  if (certificate !== undefined) return { text: withNewline(await secretOf(deps, certificate, folder)) };
  return file === undefined ? undefined : { text: await readKey("certificate", file), file };
}

async function secretOf(deps: RemoteDeps, ref: SecretRef, folder: string): Promise<string> {
  if (deps.secret !== undefined) return deps.secret(ref, folder);
  throw new SandkeepError("the key of the host is a secret, and none can be read here", {
    code: "SSH_SECRET",
    kind: "denied",
    hint: "give the key as identity_file",
  });
}

/** A key without its last line end is refused by ssh, and secrets come without one. */
function withNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

async function readKey(what: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw unreadable(what, file, cause);
  }
}

function unreadable(what: string, path: string, cause: unknown): SandkeepError {
  return new SandkeepError(`cannot read the ${what} ${path}`, {
    code: "SSH_FILE",
    kind: "denied",
    hint: "check the path and its permissions",
    cause,
  });
}

/** Those that need a passphrase are the agent's business. */
async function defaultKeys(home: string): Promise<readonly Key[]> {
  const keys: Key[] = [];
  for (const name of DEFAULT_KEYS) {
    const file = join(home, ".ssh", name);
    if (!(await isAccessible(file))) continue;
    const text = await readFile(await realpath(file), "utf8").catch(() => undefined);
    if (text !== undefined && !isEncrypted(text)) keys.push({ text, file });
  }
  return keys;
}

/** Newer files name their cipher in the first bytes, older ones in a header line. */
function isEncrypted(key: string): boolean {
  if (/^Proc-Type: 4,ENCRYPTED/m.test(key) || key.includes("BEGIN ENCRYPTED")) return true;
  const body = /BEGIN OPENSSH PRIVATE KEY-----\s*([A-Za-z0-9+/=\s]+?)-----END/.exec(key)?.[1];
  if (body === undefined) return false;
  const bytes = Buffer.from(body.replaceAll(/\s/g, ""), "base64");
  return bytes.length > 19 && bytes.toString("latin1", 19, 19 + bytes.readUInt32BE(15)) !== "none";
}
