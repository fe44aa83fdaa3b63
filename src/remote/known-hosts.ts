/**
 * In: the text of known_hosts files and the key a host shows. Out: whether it is the key the files name, with the line
 * that says so or stands in the way. Pure. The rules are those of OpenSSH.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { SSH_PORT } from "./target.ts";

export type Marker = "cert-authority" | "revoked";

export interface KnownHost {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly marker?: Marker;
  /** Comma-separated patterns, or one hashed name. */
  readonly hosts: string;
  readonly type: string;
  /** base64 of the key. */
  readonly key: string;
}

export interface HostKey {
  /** `ssh-ed25519`. */
  readonly type: string;
  /** base64 of the key. */
  readonly key: string;
}

export type KeyVerdict =
  | { readonly status: "known" }
  | { readonly status: "unknown" }
  | { readonly status: "changed"; readonly line: KnownHost }
  | { readonly status: "revoked"; readonly line: KnownHost };

const MARKERS: readonly Marker[] = ["cert-authority", "revoked"];

/** Lines that OpenSSH would not understand are left out, as there. */
export function parseKnownHosts(text: string, file: string): readonly KnownHost[] {
  return text.split("\n").flatMap((raw, index): KnownHost[] => {
    const words = raw.trim().split(/[ \t]+/);
    if (words[0] === "" || words[0]?.startsWith("#") === true) return [];
    const marker = MARKERS.find((each) => words[0] === `@${each}`);
    if (marker === undefined && words[0]?.startsWith("@") === true) return [];
    const [hosts, type, key] = marker === undefined ? words : words.slice(1);
    if (hosts === undefined || type === undefined || key === undefined) return [];
    if (!isKeyOf(type, key)) return [];
    return [{ file, line: index + 1, ...(marker === undefined ? {} : { marker }), hosts, type, key }];
  });
}

/** A key names its own type in its first field. */
function isKeyOf(type: string, key: string): boolean {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) return false;
  return keyType(Buffer.from(key, "base64")) === type;
}

export function keyType(blob: Buffer): string | undefined {
  if (blob.length < 4) return undefined;
  const length = blob.readUInt32BE(0);
  return length > 64 || blob.length < 4 + length ? undefined : blob.toString("latin1", 4, 4 + length);
}

/** How a known_hosts line names a host: the port only where it is not the usual one. */
export function hostPattern(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === SSH_PORT ? name : `[${name}]:${String(port)}`;
}

export function matchesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith("|1|")) return matchesHash(hosts, name);
  let found = false;
  for (const each of hosts.toLowerCase().split(",")) {
    const negated = each.startsWith("!");
    if (!matchesPattern(negated ? each.slice(1) : each, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

function matchesHash(hosts: string, name: string): boolean {
  const [, , salt = "", hash = ""] = hosts.split("|");
  const wanted = Buffer.from(hash, "base64");
  const found = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}

/** `*` and `?` alone are special. Linear in the name for each star, so that a hostile file costs nothing. */
function matchesPattern(pattern: string, name: string): boolean {
  let [at, from, star, resume] = [0, 0, -1, 0];
  while (from < name.length) {
    if (at < pattern.length && (pattern[at] === "?" || (pattern[at] === name[from] && pattern[at] !== "*"))) {
      at += 1;
      from += 1;
    } else if (pattern[at] === "*") {
      star = at;
      resume = from;
      at += 1;
    } else if (star >= 0) {
      at = star + 1;
      resume += 1;
      from = resume;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}

export function linesFor(known: readonly KnownHost[], name: string): readonly KnownHost[] {
  return known.filter(({ hosts }) => matchesHost(hosts, name));
}

/** An authority says nothing about a key that has no certificate; a revoked key is refused whatever else says. */
export function judgeHostKey(known: readonly KnownHost[], name: string, shown: HostKey): KeyVerdict {
  const lines = linesFor(known, name);
  const same = (each: KnownHost): boolean => each.key === shown.key && each.type === shown.type;
  const revoked = lines.find((each) => each.marker === "revoked" && same(each));
  if (revoked !== undefined) return { status: "revoked", line: revoked };
  const plain = lines.filter(({ marker }) => marker === undefined);
  if (plain.some(same)) return { status: "known" };
  const [other] = plain;
  return other === undefined ? { status: "unknown" } : { status: "changed", line: other };
}

/** Whether only a certificate of the host can prove who it is. */
export function needsHostCertificate(known: readonly KnownHost[], name: string): boolean {
  const lines = linesFor(known, name);
  return (
    lines.some(({ marker }) => marker === "cert-authority") &&
    !lines.some(({ marker }) => marker === undefined)
  );
}

/** Types of the keys a host is known by, so that it is asked for one of those. */
export function knownTypes(known: readonly KnownHost[], name: string): readonly string[] {
  const plain = linesFor(known, name).filter(({ marker }) => marker === undefined);
  return [...new Set(plain.map(({ type }) => type))];
}

/** As `ssh-keygen -l` writes it. */
export function fingerprint(key: string): string {
  const digest = createHash("sha256").update(Buffer.from(key, "base64")).digest("base64");
  return `SHA256:${digest.replace(/=+$/, "")}`;
}
