import { execFile } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostKeyRefused } from "../../src/remote/host-key.ts";
import {
  fingerprint,
  hostPattern,
  judgeHostKey,
  knownTypes,
  linesFor,
  matchesHost,
  needsHostCertificate,
  parseKnownHosts,
} from "../../src/remote/known-hosts.ts";
import { destinationOf } from "../../src/remote/target.ts";
import { parseTarget } from "../../src/util/ssh-target.ts";

const run = promisify(execFile);
let dir = "";
let keys: string[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "sandkeep-known-"));
  for (const name of ["a", "b"]) {
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(dir, name)]);
    const [, key = ""] = (await readFile(join(dir, `${name}.pub`), "utf8")).split(" ");
    keys.push(key);
  }
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

const line = (hosts: string, key: string): string => `${hosts} ssh-ed25519 ${key}`;

function hashed(name: string): string {
  const salt = randomBytes(20);
  const hash = createHmac("sha1", salt).update(name).digest("base64");
  return `|1|${salt.toString("base64")}|${hash}`;
}

/** Numbers of the lines that ssh-keygen finds for a host. */
async function reference(text: string, name: string): Promise<number[]> {
  const file = join(dir, `known-${randomBytes(4).toString("hex")}`);
  await writeFile(file, text);
  const { stdout } = await run("ssh-keygen", ["-F", name, "-f", file]).catch(() => ({ stdout: "" }));
  return [...stdout.matchAll(/found: line (\d+)/g)].map(([, number]) => Number(number));
}

describe("lines of a known_hosts file", () => {
  it("are found for a host exactly where ssh-keygen -F finds them", async () => {
    const [a = "", b = ""] = keys;
    const text = [
      "# a comment",
      line("build1,10.0.0.5", a),
      line("[build1]:2222", b),
      line("*.example.com,!secret.example.com", a),
      line(hashed("hidden.example.net"), b),
      line(hashed("[hidden.example.net]:2200"), a),
      `@cert-authority ${line("*.corp", a)}`,
      `@revoked ${line("*", b)}`,
      `@strange ${line("build1", a)}`,
      line("build?", b),
      "broken ssh-ed25519 not-base64!",
      `broken ssh-rsa ${a}`,
      line("BUILD9", a),
      "",
    ].join("\n");
    const known = parseKnownHosts(text, "f");
    const names = [
      "build1",
      "[build1]:2222",
      "build2",
      "build22",
      "build9",
      "10.0.0.5",
      "a.example.com",
      "secret.example.com",
      "example.com",
      "hidden.example.net",
      "[hidden.example.net]:2200",
      "x.corp",
    ];
    for (const name of names) {
      const found = linesFor(known, name).map((each) => each.line);
      expect([name, found]).toEqual([name, await reference(text, name)]);
    }
  });

  it("whose key is no key of its type count for nothing", () => {
    const text = `broken ssh-ed25519 not-base64!\nbroken ssh-rsa ${keys[0] ?? ""}`;
    expect(linesFor(parseKnownHosts(text, "f"), "broken")).toEqual([]);
  });

  it("match patterns as a regular expression would", () => {
    const texts = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    const patterns = fc.string({
      unit: fc.constantFrom("a", "b", ".", "*", "?"),
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(patterns, texts, (pattern, name) => {
        const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
        expect(matchesHost(pattern, name)).toBe(new RegExp(`^${source}$`).test(name));
      }),
    );
  });

  it("name a host with its port only where it is not the usual one", () => {
    expect([hostPattern("Build1", 22), hostPattern("::1", 2222)]).toEqual(["build1", "[::1]:2222"]);
  });
});

describe("a host key", () => {
  const shown = (key: string | undefined) => ({ type: "ssh-ed25519", key: key ?? "" });

  it("is known, unknown, changed or revoked, with the line that says so", () => {
    const [a = "", b = ""] = keys;
    const known = parseKnownHosts(
      [line("build1", a), `@revoked ${line("old", b)}`, line("old", b)].join("\n"),
      "/kh",
    );
    expect(judgeHostKey(known, "build1", shown(a))).toEqual({ status: "known" });
    expect(judgeHostKey(known, "build2", shown(a))).toEqual({ status: "unknown" });
    expect(judgeHostKey(known, "build1", shown(b))).toMatchObject({ status: "changed", line: { line: 1 } });
    expect(judgeHostKey(known, "old", shown(b))).toMatchObject({ status: "revoked", line: { line: 2 } });
    expect(knownTypes(known, "build1")).toEqual(["ssh-ed25519"]);
  });

  it("of a host that an authority vouches for is no business of plain lines", () => {
    const [a = ""] = keys;
    const known = parseKnownHosts(`@cert-authority ${line("*.corp", a)}\n${line("x.corp", a)}`, "/kh");
    expect(needsHostCertificate(known, "y.corp")).toBe(true);
    expect(needsHostCertificate(known, "x.corp")).toBe(false);
    expect(judgeHostKey(known, "y.corp", shown(a))).toEqual({ status: "unknown" });
  });

  it("that is refused is told with the line in the way, the line to add and the fingerprint of ssh-keygen", async () => {
    const [a = "", b = ""] = keys;
    const facts = { name: "[build1]:2222", key: shown(a), where: "/home/me/.ssh/known_hosts" };
    const unknown = hostKeyRefused({ status: "unknown" }, facts);
    expect(unknown).toMatchObject({ code: "SSH_HOST_KEY", kind: "denied" });
    expect(unknown.message).toContain("no line of /home/me/.ssh/known_hosts");
    expect(unknown.message).toContain(`[build1]:2222 ssh-ed25519 ${a}`);
    const { stdout } = await run("ssh-keygen", ["-l", "-f", join(dir, "a.pub")]);
    expect(stdout).toContain(fingerprint(a));
    expect(unknown.message).toContain(fingerprint(a));
    const [other] = parseKnownHosts(`\n${line("[build1]:2222", b)}`, "/kh");
    if (other === undefined) throw new Error("no line");
    const changed = hostKeyRefused({ status: "changed", line: other }, facts);
    expect(`${changed.message} ${changed.hint ?? ""}`).toContain("line 2 of /kh");
  });
});

it.each([
  ["ci@build1:2222", { user: "ci", host: "build1", port: 2222 }, "ci@build1"],
  ["build1", { host: "build1" }, "build1"],
  ["me@[::1]:22", { user: "me", host: "::1", port: 22 }, "me@::1"],
])("reads the target %s", (text, target, destination) => {
  expect(parseTarget(text)).toEqual(target);
  expect(destinationOf(target)).toBe(destination);
});
