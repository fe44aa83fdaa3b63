import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { registryAuth } from "../../src/registry/auth.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "sandkeep-auth-"));
  await mkdir(join(home, ".docker"));
});
afterEach(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));

const login = (name: string) => ({ auth: Buffer.from(`${name}:secret`).toString("base64") });

async function userOf(ref: string, keys: readonly string[]): Promise<string | undefined> {
  const auths = Object.fromEntries(keys.map((key) => [key, login(key.replaceAll(":", "%"))]));
  await writeFile(join(home, ".docker", "config.json"), JSON.stringify({ auths }));
  const found = await registryAuth(ref, { HOME: home });
  return found?.["username"]?.replaceAll("%", ":");
}

describe("the docker CLI's logins", () => {
  test.each([
    "reg.corp:5000",
    "https://reg.corp:5000",
    "http://reg.corp:5000",
    "https://reg.corp:5000/",
    "https://reg.corp:5000/v1/",
    "https://reg.corp:5000/v2/",
    "http://reg.corp:5000/v2/",
    "reg.corp:5000/v1/",
  ])("are found under %s", async (key) => {
    expect(await userOf("reg.corp:5000/app:1", ["other.corp", key])).toBe(key);
  });

  test("of several the exact one is taken, whatever stands first", async () => {
    const keys = ["http://reg.corp", "https://reg.corp/v1/", "https://reg.corp", "reg.corp"];
    expect(await userOf("reg.corp/app", keys)).toBe("reg.corp");
    expect(await userOf("reg.corp/app", keys.slice(0, -1))).toBe("https://reg.corp");
  });

  test.each([
    "reg.corp:5001",
    "reg.corp",
    "https://a.reg.corp:5000",
    "https://reg.corp:5000.evil.example/v1/",
    "https://evil.example/reg.corp:5000",
    "ftp://reg.corp:5000",
  ])("of %s are another's", async (key) => {
    expect(await userOf("reg.corp:5000/app:1", [key])).toBeUndefined();
  });

  test("of the hub stand under its one address", async () => {
    expect(await userOf("debian", ["https://index.docker.io/v1/"])).toBe("https://index.docker.io/v1/");
    expect(await userOf("debian", ["index.docker.io", "https://docker.io/v1/"])).toBeUndefined();
  });
});
