import type { KeyPath } from "../../model/source.ts";
import type { Inline, Scalar, Setting } from "./draft.ts";
import { type HostPlan, type Owner, hostSettings } from "./fluffbuzz-hosts.ts";
import { SECRET, secretPlace } from "./fluffbuzz-secrets.ts";
import { readKnownHosts } from "./known-hosts-text.ts";
import { type Row, row, trusted } from "./rows.ts";
import { FLAG, type Shape, TEXT } from "./shape.ts";
import { readTarget } from "./ssh-target.ts";

export interface SshTarget {
  /** Where the sandbox's own settings are written. */
  readonly prefix: KeyPath;
  readonly agent: Owner;
  readonly hosts: HostPlan;
}

interface Access {
  readonly key: string;
  readonly value: Scalar | Inline;
  readonly note?: string;
}

/** How the keys of one `ssh` table are read: those of an access go to the hosts that have it. */
export function sshRows({ prefix, agent, hosts }: SshTarget): readonly Row[] {
  const access = <T>(
    name: string,
    shape: Shape<T>,
    become: (value: T, host: string) => Access | { readonly why: string },
  ): Row =>
    row(["ssh", name], shape, (value) => {
      const sets: Setting[] = [];
      const notes = new Set<string>();
      for (const host of hosts.takers.get(agent)?.get(name) ?? []) {
        const found = become(value, host);
        if ("why" in found) return found;
        sets.push({ path: ["hosts", host, "ssh", found.key], value: found.value });
        if (found.note !== undefined) notes.add(found.note);
      }
      if (sets.length === 0) return { why: whyNowhere(hosts, agent, name, value) };
      if (name === "target") sets.push(...hostSettings(hosts, agent, "target"));
      return { sets, ...(notes.size === 0 ? {} : { note: [...notes].join("; ") }) };
    });
  const file = (name: string, key: string): Row => access(name, TEXT, (value) => fileAccess(key, value));
  const secret = (name: string, key: string): Row =>
    trusted(
      access(name, SECRET, (value, host) => {
        const by = hosts.first.get(host)?.keys.get(name)?.owner;
        const place = secretPlace(value, hosts.secrets, secretVariable(by, `SSH_${key.toUpperCase()}`));
        return "why" in place ? place : { key, value: place.ref, ...noted(place.note) };
      }),
    );
  return [
    access("target", TEXT, (value) => ({ key: "target", value })),
    access("command", TEXT, program),
    access("strictHostKeyChecking", FLAG, (value) => ({
      key: "strict_host_key",
      value,
      ...noted(value ? undefined : "a key that nobody knows is taken, and one that changed is refused"),
    })),
    row(["ssh", "updateHostKeys"], FLAG, (value) => ({
      why: value
        ? "sandkeep writes no known_hosts: a host's new key is yours to add"
        : "false is what always holds: sandkeep writes no known_hosts",
    })),
    file("identityFile", "identity_file"),
    file("certificateFile", "certificate_file"),
    file("knownHostsFile", "known_hosts_file"),
    secret("identityData", "identity"),
    secret("certificateData", "certificate"),
    trusted(
      access("knownHostsData", SECRET, (value) =>
        "text" in value ? readKnownHosts(value.text) : knownHostsPlace(value, hosts.secrets),
      ),
    ),
    row(["ssh", "workspaceRoot"], TEXT, (value) => ({
      sets: [{ path: [...prefix, "ssh", "workspace_root"], value }],
    })),
  ];
}

function noted(note: string | undefined): { readonly note?: string } {
  return note === undefined ? {} : { note };
}

function whyNowhere({ users }: HostPlan, agent: Owner, name: string, value: unknown): string {
  if (name === "target" && readTarget(value) === undefined)
    return 'it is neither "user@host", "user@host:port" nor an alias of ~/.ssh/config';
  const winner = name.replace(/File$/, "Data");
  return winner !== name && users.get(agent)?.keys.has(winner) === true
    ? `${winner} is set beside it, and wins there as well`
    : "no host has it: a host needs a target, and there is none that sandkeep takes";
}

function fileAccess(key: string, value: string): Access {
  const relative = /^[~/]/.test(value) ? undefined : "a relative path starts from this file's folder";
  return { key, value, ...noted(relative) };
}

const SYSTEM_CLIENT = "ssh";

/** That tool always starts the system's client; sandkeep has one of its own as well. */
function program(value: string): Access | { readonly why: string } {
  const access = { key: "transport", value: "openssh" };
  if (value === SYSTEM_CLIENT) return access;
  return value.startsWith("/") && value.endsWith(`/${SYSTEM_CLIENT}`)
    ? { ...access, note: "the ssh that PATH finds is started" }
    : { why: "only the ssh that PATH finds is ever started; put another client before it on PATH" };
}

function knownHostsPlace(
  value: Parameters<typeof secretPlace>[0],
  secrets: unknown,
): Access | { readonly why: string } {
  const place = secretPlace(value, secrets, "");
  if ("why" in place) return place;
  const file = place.ref["file"];
  return typeof file === "string"
    ? fileAccess("known_hosts_file", file)
    : { why: "known hosts are no secret here: write their lines to a file and name it in known_hosts_file" };
}

/** A variable for a secret that stood in the file, by whose table it stood in. */
export function secretVariable(owner: Owner, name: string): string {
  if (owner === undefined) return name;
  const whose = owner.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  return `${whose.replace(/^(?=\d)/, "_")}_${name}`;
}
