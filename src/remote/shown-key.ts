/**
 * In: a host whose key the system's ssh did not accept. Out: the refusal that shows the key it has, the line it is checked
 * against and the line that would let it in. Nobody is authenticated for it, and nothing is kept.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SandkeepError } from "../errors.ts";
import type { Access } from "./access.ts";
import { jumpsOf } from "./access.ts";
import { hostKeyRefused } from "./host-key.ts";
import {
  hostPattern,
  judgeHostKey,
  knownTypes,
  needsHostCertificate,
  parseKnownHosts,
} from "./known-hosts.ts";
import { destination, running, through } from "./openssh-config.ts";
import { SSH_PORT } from "./target.ts";
import { parseTarget } from "../util/ssh-target.ts";

export interface Asking {
  readonly access: Access;
  /** Where the key may lie for a moment; the caller's to delete. */
  readonly folder: string;
  /** Of the attempt that was refused. */
  readonly options: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly patience: number;
}

/** `refusal` itself where no host on the way shows a key, or where none of their keys is what ssh minded. */
export async function withShownKey(refusal: SandkeepError, asking: Asking): Promise<SandkeepError> {
  const { access } = asking;
  if (refusal.code !== "SSH_HOST_KEY") return refusal;
  const way = [...jumpsOf(access.written), access.written.target];
  for (const [index, hop] of way.entries()) {
    const shown = await askKey(asking, hop, way.slice(0, index));
    if (shown === undefined || needsHostCertificate(access.known, shown.name)) return refusal;
    const { name, key } = shown;
    const verdict = judgeHostKey(access.known, name, key);
    if (verdict.status !== "known") return hostKeyRefused(verdict, { name, key, where: access.knownFrom });
  }
  return refusal;
}

/** What ssh writes down of a host that it has never seen, under the name by which it looks keys up. */
async function askKey(
  { access, folder, options, env, patience }: Asking,
  hop: string,
  before: readonly string[],
) {
  const file = join(folder, "shown");
  const { host, port = SSH_PORT } = parseTarget(hop);
  const types = knownTypes(access.known, hostPattern(host, port));
  const settings = {
    UserKnownHostsFile: file,
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "accept-new",
    HashKnownHosts: "no",
    PubkeyAuthentication: "no",
    PreferredAuthentications: "none",
    // Known by one kind of key, it is asked for that kind, as the refused attempt asked.
    ...(types.length === 0 ? {} : { HostKeyAlgorithms: `^${types.join(",")}` }),
  };
  // ssh goes by the first word on each.
  const ours = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const argv = ["-T", ...ours, ...options, ...running("exit"), ...through(before), ...destination(hop)];
  const child = spawn("ssh", argv, { env, stdio: "ignore" });
  const timer = setTimeout(() => child.kill("SIGKILL"), patience);
  await once(child, "close").catch(() => undefined);
  clearTimeout(timer);
  const written = await readFile(file, "utf8").catch(() => "");
  await rm(file, { force: true });
  const [line] = parseKnownHosts(written, file);
  return line === undefined ? undefined : { name: line.hosts, key: { type: line.type, key: line.key } };
}
