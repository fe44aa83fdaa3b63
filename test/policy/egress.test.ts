import { BlockList, isIP } from "node:net";
import { describe, expect, it } from "vitest";
import { mayReach, parseRule } from "../../src/drivers/docker/gate-program.ts";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import { podmanDriver } from "../../src/drivers/docker/podman.ts";
import type { NetworkSettings, Settings } from "../../src/model/settings.ts";
import { checkEgress } from "../../src/policy/egress.ts";
import { agentOf, fleetOf, sayLine7 } from "../support/runtimes.ts";

const modules = { docker: dockerDriver, podman: podmanDriver };
const egress = { allow: ["pypi.org"] };
const network = (more: Partial<NetworkSettings> = {}): NetworkSettings => ({
  name: "build",
  driver: "bridge",
  internal: false,
  options: {},
  ...more,
});
const gated = network({ egress: { allow: ["pypi.org"], image: "node:22" } });
const positions = sayLine7("").source;

function told(
  settings: Partial<Settings>,
  networks: Readonly<Record<string, NetworkSettings>> = {},
): string[] {
  const fleet = fleetOf([agentOf("a", { backend: "docker", ...settings })], { networks });
  return checkEgress(fleet, modules, () => positions).map(({ code, path }) => `${code} ${path}`);
}

describe("what a config may not say about egress", () => {
  it.each<[string, Parameters<typeof told>, string[]]>([
    ["a list alone", [{ egress }], []],
    [
      "a list where nobody can hold to it",
      [{ backend: "podman", egress }],
      ["egress-not-enforced sandbox.egress"],
    ],
    ["the same for an agent without a sandbox", [{ mode: "off", backend: "podman", egress }], []],
    [
      "a list beside a network",
      [{ egress, options: { network: "bridge" } }],
      ["egress-with-network sandbox.docker.network"],
    ],
    ["a declared network", [{ options: { network: "build" } }, { build: network() }], []],
    [
      "one that the backend does not make",
      [{ backend: "podman", options: { network: "build" } }, { build: network() }],
      ["network-not-made sandbox.podman.network"],
    ],
    ["somebody's network of another name", [{ options: { network: "toString" } }, { build: network() }], []],
    [
      "the name that stands for a list, without one",
      [{ options: { network: "egress" } }],
      ["network-reserved sandbox.docker.network"],
    ],
    [
      "name servers behind a gate of its own",
      [{ egress, options: { dns: ["1.1.1.1"] } }],
      ["egress-with-dns sandbox.docker.dns"],
    ],
    [
      "name servers behind a shared gate",
      [{ options: { network: "build", dns: ["1.1.1.1"] } }, { build: gated }],
      ["egress-with-dns sandbox.docker.dns"],
    ],
    [
      "name servers without a gate",
      [{ options: { network: "build", dns: ["1.1.1.1"] } }, { build: network() }],
      [],
    ],
    [
      "the metadata address",
      [{ egress: { allow: ["pypi.org", "169.254.169.254:80"] } }],
      ["egress-forbidden-address sandbox.egress.allow"],
    ],
    [
      "the metadata address, for a network that nobody is on",
      [{}, { build: network({ egress: { allow: ["[fd00:ec2::254]"], image: "x" } }) }],
      ["egress-forbidden-address networks.build.egress.allow"],
    ],
  ])("%s", (_, from, expected) => {
    expect(told(...from)).toEqual(expected);
  });

  it("refuses the very addresses that a gate refuses, and no name for looking like one", () => {
    const net = { BlockList, isIP };
    for (const address of [
      "0.0.0.0",
      "0.1.2.3",
      "127.0.0.1",
      "127.255.0.1",
      "169.254.169.254",
      "100.100.100.200",
      "224.0.0.1",
      "255.255.255.255",
      "::",
      "::1",
      "64:ff9b::a9fe:a9fe",
      "fe80::1",
      "fd00:ec2::254",
      "ff02::1",
      "10.0.0.5",
      "100.100.100.201",
      "223.255.255.255",
      "2a04:4e42::223",
      "fd00:ec2::253",
    ]) {
      const rule = isIP(address) === 6 ? `[${address}]` : address;
      for (const written of [rule, `${rule}:8080`]) {
        const reached = mayReach(parseRule(written), address, net);
        expect(told({ egress: { allow: [written] } }).length === 0, written).toBe(reached);
      }
    }
    for (const name of [
      "0.debian.pool.ntp.org",
      "127.example.com",
      "*.169.254.example.com",
      "localhost.example.com",
    ])
      expect(told({ egress: { allow: [name] } }), name).toEqual([]);
    // An address in another dress is refused whatever it is.
    expect(told({ egress: { allow: ["[::ffff:10.0.0.1]"] } })).toHaveLength(1);
    for (const name of ["localhost", "localhost:8080", "api.localhost", "LocalHost"])
      expect(told({ egress: { allow: [name] } }), name).toHaveLength(1);
  });
});
