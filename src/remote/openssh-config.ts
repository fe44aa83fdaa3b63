/**
 * What the system's ssh is told of a host, in a config file of its own: what stands there counts for the hosts on the way
 * as well, which options would not. The user's config and the machine's come after it, and the first word counts.
 */
import { chmod, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { SandkeepError } from "../errors.ts";
import type { Access, Timing } from "./access.ts";
import { hostPattern, knownTypes } from "./known-hosts.ts";
import { destinationOf } from "./target.ts";
import { parseTarget } from "../util/ssh-target.ts";

/** Files of the folder that are of no use once ssh has logged in. */
export const SECRET_FILES = ["identity", "certificate"];

/** The options that make ssh read what it is written into `folder`, which only we may read. */
export async function configured(access: Access, folder: string, timing: Timing): Promise<readonly string[]> {
  const files = await writeMaterial(access, folder);
  const settings = { ...settingsOf(access, files, folder), ...limits(timing) };
  const lines = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name} ${[value].flat().map(quoted).join(" ")}`],
  );
  // ssh itself would ask the password database where home is.
  const personal = join(access.home, ".ssh");
  const includes = [join(personal, "config"), "/etc/ssh/ssh_config"].map(
    (each) => `  Include ${quoted(each)}`,
  );
  const last =
    access.home === userInfo().homedir
      ? []
      : [`  UserKnownHostsFile ${quoted(join(personal, "known_hosts"))}`];
  const known = knownHops(access).flatMap((host) => [`Host ${host}`, "  StrictHostKeyChecking yes"]);
  const text = [...known, "Host *", ...lines, ...includes, ...last, ""].join("\n");
  const file = join(folder, "config");
  await writeFile(file, text, { mode: 0o600 });
  return ["-F", file];
}

/** Keys that stand in no file are written to one, until ssh has logged in with them. */
async function writeMaterial(access: Access, folder: string): Promise<Readonly<Record<string, string>>> {
  const files: Record<string, string> = {};
  const write = async (name: string, text: string): Promise<void> => {
    files[name] = join(folder, name);
    await writeFile(join(folder, name), text, { mode: 0o600 });
    await chmod(join(folder, name), 0o600);
  };
  const [key] = access.keys;
  const { identity, known_hosts: known } = access.written;
  if (identity !== undefined && key !== undefined) await write("identity", key.text);
  if (access.certificate !== undefined) await write("certificate", access.certificate.text);
  if (known !== undefined) await write("known_hosts", `${known}\n`);
  return files;
}

/** Hosts on the way whose key is known, where unknown ones are let in: ssh would also let in one of another type. */
function knownHops({ target, jumps, known, strict }: Access): readonly string[] {
  if (strict) return [];
  const hops = [...jumps, target];
  const isKnown = ({ host, port }: Access["target"]): boolean =>
    knownTypes(known, hostPattern(host, port)).length > 0;
  const hosts = new Set(hops.map(({ host }) => host));
  return [...hosts].filter((host) => hops.filter((each) => each.host === host).every(isKnown));
}

type Settings = Readonly<Record<string, string | readonly string[] | undefined>>;

function settingsOf(
  { written, strict, home }: Access,
  files: Readonly<Record<string, string>>,
  folder: string,
): Settings {
  const identity = files["identity"] ?? written.identity_file;
  const known = files["known_hosts"] ?? written.known_hosts_file;
  // ssh writes to the first of them what it lets in, and checks all.
  const met = [join(folder, "met_hosts"), known ?? join(home, ".ssh", "known_hosts")];
  return {
    BatchMode: "yes",
    StrictHostKeyChecking: strict ? "yes" : "accept-new",
    UserKnownHostsFile: strict ? known : met,
    GlobalKnownHostsFile: known === undefined ? undefined : "/dev/null",
    IdentityFile: identity,
    IdentitiesOnly: identity === undefined ? undefined : "yes",
    CertificateFile: files["certificate"],
    // What a user's config asks for is meant for the user: not a key left in the agent, and no way from the host to here.
    AddKeysToAgent: "no",
    ForwardAgent: "no",
    ForwardX11: "no",
    ClearAllForwardings: "yes",
    Tunnel: "no",
    PermitLocalCommand: "no",
    UpdateHostKeys: "no",
    ControlMaster: "no",
    ControlPath: "none",
    ControlPersist: "no",
    EscapeChar: "none",
    LogLevel: "ERROR",
  };
}

const seconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1000)));

function limits({ connectMs, aliveMs }: Timing): Settings {
  return {
    ConnectTimeout: seconds(connectMs),
    ServerAliveInterval: seconds(aliveMs),
    ServerAliveCountMax: "3",
  };
}

function quoted(value: string): string {
  if (/[\n\r"\\]/.test(value)) {
    throw new SandkeepError(`ssh can be told of no file named ${JSON.stringify(value)}`, {
      code: "SSH_FILE",
      kind: "denied",
      hint: "give it a name without quotes, backslashes and line ends",
    });
  }
  return `"${value}"`;
}

/** A target as ssh takes it. */
export function destination(written: string): string[] {
  const target = parseTarget(written);
  return [...(target.port === undefined ? [] : ["-p", String(target.port)]), "--", destinationOf(target)];
}

/** What runs there, said so that a command which the user's config names neither runs instead nor stands in its way. */
export function running(command: string): string[] {
  return ["-o", `RemoteCommand=${command.replaceAll("%", "%%")}`];
}

/** The way through the hosts before it; said for one connection only, since it would count for each of them too. */
export function through(jumps: readonly string[]): string[] {
  return jumps.length === 0 ? [] : ["-J", jumps.join(",")];
}
