import { describe, expect, test } from "vitest";
import { byDigest, canonicalName, fullReference, parseReference } from "../../src/registry/reference.ts";

const DIGEST = `sha256:${"0a".repeat(32)}`;
const HUB = "registry-1.docker.io";

describe("an image reference", () => {
  test.each([
    ["debian", HUB, "library/debian", "debian", "latest"],
    ["debian:12-slim", HUB, "library/debian", "debian", "12-slim"],
    ["team/app:1", HUB, "team/app", "team/app", "1"],
    ["docker.io/library/debian:12", HUB, "library/debian", "docker.io/library/debian", "12"],
    ["docker.io/debian", HUB, "library/debian", "docker.io/debian", "latest"],
    ["localhost/app", "localhost", "app", "localhost/app", "latest"],
    ["localhost:5000/app:1", "localhost:5000", "app", "localhost:5000/app", "1"],
    ["127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "127.0.0.1:5000/a/b/c", "latest"],
    ["[::1]:5000/app:1", "[::1]:5000", "app", "[::1]:5000/app", "1"],
    ["ghcr.io/team/my__app.x-y:v1", "ghcr.io", "team/my__app.x-y", "ghcr.io/team/my__app.x-y", "v1"],
  ])("%s", (text, registry, repository, name, tag) => {
    expect(parseReference(text)).toEqual({ registry, repository, name, tag });
    expect(byDigest(text, DIGEST)).toBe(`${name}@${DIGEST}`);
  });

  test("a digest leaves the tag without meaning", () => {
    const expected = {
      registry: "ghcr.io",
      repository: "team/app",
      name: "ghcr.io/team/app",
      digest: DIGEST,
    };
    expect(parseReference(`ghcr.io/team/app:1@${DIGEST}`)).toEqual(expected);
    expect(fullReference(`ghcr.io/team/app@${DIGEST}`)).toBe(`ghcr.io/team/app@${DIGEST}`);
  });

  test.each([
    ["node", "docker.io/library/node:latest"],
    ["node:22", "docker.io/library/node:22"],
    ["team/app:1", "index.docker.io/team/app:1"],
    [`node:22@${DIGEST}`, `docker.io/library/node@${DIGEST}`],
  ])("%s and %s are one", (short, long) => {
    expect(canonicalName(short)).toBe(canonicalName(long));
    expect(canonicalName(short)).toContain(`${HUB}/`);
  });

  test("names of two registries, repositories or tags are two, and an id is none", () => {
    const names = ["node:22", "node:23", "team/node:22", "localhost/node:22", "ghcr.io/library/node:22"];
    expect(new Set(names.map((name) => canonicalName(name))).size).toBe(names.length);
    expect(canonicalName(DIGEST)).toBeUndefined();
  });

  test.each([
    ["an id", DIGEST],
    ["a bare id", "0a".repeat(32)],
    ["capitals", "Team/App"],
    ["a short digest", "app@sha256:12"],
    ["two digests", `app@${DIGEST}@${DIGEST}`],
    ["a path that leaves", "ghcr.io/../admin"],
    ["a query", "ghcr.io/app?x=1"],
    ["a user in the host", "user:pw@ghcr.io/app"],
    ["an empty name", ""],
    ["an empty tag", "app:"],
    ["a slash at the end", "ghcr.io/"],
    ["a line break", "ghcr.io/app\r\nHost: evil"],
  ])("%s is none", (_, text) => expect(parseReference(text)).toBeUndefined());
});
