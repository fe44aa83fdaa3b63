import { describe, expect, test } from "vitest";
import { insecureFor } from "../../src/registry/insecure.ts";

const insecure = insecureFor({
  IndexConfigs: {
    "docker.io": { Secure: true },
    "reg.corp:5000": { Secure: false },
    "10.9.9.9": { Secure: true },
  },
  InsecureRegistryCIDRs: ["10.0.0.0/8", "fd00::/8", "172.16.0.0/33", "none/8", "192.168.0.0", ""],
});

describe("what an engine asks without encryption", () => {
  test.each([
    ["10.1.2.3:5000", true],
    ["10.1.2.3", true],
    ["[fd00::1]:5000", true],
    ["[fd00::1]", true],
    ["reg.corp:5000", true],
    ["127.0.0.1:5000", true],
    ["11.1.2.3:5000", false],
    ["[fe80::1]:5000", false],
    ["reg.corp", false],
    ["10.corp:5000", false],
    ["ghcr.io", false],
    // Its own entry comes before its address.
    ["10.9.9.9", false],
    // What is no range is none.
    ["172.16.0.1:5000", false],
    ["192.168.0.0", false],
  ])("%s: %s", (registry, expected) => expect(insecure(registry)).toBe(expected));
});
