import { describe, expect, it } from "vitest";
import type { DesiredNetwork } from "../../src/desire/networks.ts";
import { gateHash } from "../../src/desire/networks.ts";
import type { Decision } from "../../src/diff/diff.ts";
import type { NetworkInput } from "../../src/diff/networks.ts";
import { diffNetworks } from "../../src/diff/networks.ts";
import type { NetworkSpec, ObservedNetwork } from "../../src/model/network.ts";
import { networkSteps } from "../../src/plan/networks.ts";
import { seen, wish } from "../support/runtimes.ts";
import { situationOf } from "./situations.ts";

const gate = { allow: ["pypi.org"], image: "node:22" };
const spec: NetworkSpec = { driver: "bridge", internal: true, options: {} };
const build: DesiredNetwork = {
  network: "network/build",
  backend: "memory",
  host: "local",
  name: "net-1",
  spec,
  users: ["agent/a"],
  image_policy: "missing",
};
const there = (more: Partial<ObservedNetwork> = {}): ObservedNetwork => ({
  object_id: "n1",
  name: "net-1",
  network: "network/build",
  spec: { ...spec, reaches_host: false },
  users: [],
  ...more,
});
const open = { object_id: "g1", state: "running", hash: gateHash(gate) } as const;
/** Agent `a` is to be made on the network. */
const making: Decision = {
  situation: situationOf({ desired: { ...wish(), network: "network/build" } }),
  verdict: { action: "create", why: "it does not exist", origin: "missing", reasons: [] },
};

function decided(networks: readonly ObservedNetwork[], more: Partial<NetworkInput> = {}) {
  const input = {
    desired: [build],
    decisions: [making],
    intent: { mode: "apply" },
    configless: false,
  } as const;
  return diffNetworks({ ...input, observations: [seen([], { networks })], ...more });
}
const actions = (...from: Parameters<typeof decided>): string[] =>
  decided(...from).map(({ name, verdict }) => `${verdict.action} ${name}`);

describe("what is done about networks", () => {
  it.each<[string, Parameters<typeof decided>, string[]]>([
    ["one that is needed is made", [[]], ["create net-1"]],
    ["one that nothing needs is not", [[], { decisions: [] }], ["none net-1"]],
    ["one that is there stays", [[there()]], ["none net-1"]],
    ["another shape of it goes", [[there({ name: "net-0" })]], ["create net-1", "remove net-0"]],
    ["one that nobody declares any more goes", [[there()], { desired: [], decisions: [] }], ["remove net-1"]],
    [
      "but not from under a user",
      [[there({ users: [{ object_id: "x", name: "x" }] })], { desired: [], decisions: [] }],
      ["blocked net-1"],
    ],
    [
      "a gate that has gone is made anew",
      [[there()], { desired: [{ ...build, spec: { ...spec, gate } }] }],
      ["update net-1"],
    ],
    [
      "a gate with its rules stays",
      [[there({ gate: open })], { desired: [{ ...build, spec: { ...spec, gate } }] }],
      ["none net-1"],
    ],
    [
      "a gate that lost its network is no network: both are made anew",
      [[there({ gone: true, gate: open })], { desired: [{ ...build, spec: { ...spec, gate } }] }],
      ["create net-1"],
    ],
    [
      "a gate that lost its network goes when nobody declares that",
      [[there({ gone: true, gate: open })], { desired: [], decisions: [] }],
      ["remove net-1"],
    ],
    [
      "and that of a sandbox goes with the sandbox",
      [[there({ gone: true, network: "egress/agent/z", name: "z-egress" })], { desired: [], decisions: [] }],
      ["remove z-egress"],
    ],
    [
      "a gate alone is left alone by what was not asked for it",
      [
        [there({ gone: true, network: "egress/agent/z", name: "z-egress" })],
        { desired: [], decisions: [], intent: { mode: "apply", targets: ["agent/a"] } },
      ],
      [],
    ],
  ])("%s", (_, from, expected) => {
    expect(actions(...from)).toEqual(expected);
  });

  it.each<[string, Partial<NetworkSpec>, Partial<ObservedNetwork["spec"]>, string]>([
    ["open", {}, { internal: false }, "internal (asked true, found false)"],
    ["open, though behind a gate", { internal: false, gate }, { internal: false }, "internal (asked true"],
    ["near its machine, though behind a gate", { gate }, { reaches_host: true }, "reaches_host (asked false"],
    ["of another driver", {}, { driver: "macvlan" }, "driver (asked bridge, found macvlan)"],
    ["elsewhere", { subnet: "10.9.0.0/24" }, { subnet: "10.8.0.0/24" }, "found 10.8.0.0/24)"],
    ["nowhere", { subnet: "10.9.0.0/24" }, {}, "subnet (asked 10.9.0.0/24, found none)"],
    ["without an option", { options: { mtu: "1400" } }, {}, "options.mtu (asked 1400, found none)"],
    ["led another way", { gateway: "10.9.0.9" }, { gateway: "10.9.0.1" }, "gateway (asked 10.9.0.9,"],
  ])("blocks one that is %s, and says what is wrong and how it is made anew", (_, asked, found, told) => {
    const network = there({ spec: { ...spec, reaches_host: false, ...found }, gate: open });
    const [decision] = decided([network], { desired: [{ ...build, spec: { ...spec, ...asked } }] });
    expect(decision?.verdict).toMatchObject({
      action: "blocked",
      rule: "network",
      why: expect.stringContaining(`it is not as sandkeep makes it: `) as string,
      fix: expect.stringContaining("docker network rm") as string,
    });
    expect(decision?.verdict.why).toContain(told);
  });

  it("lets an engine choose what was not asked for", () => {
    const chosen = {
      subnet: "10.9.0.0/24",
      gateway: "10.9.0.1",
      options: { mtu: "1500" },
      reaches_host: true,
    };
    expect(actions([there({ spec: { ...spec, ...chosen } })])).toEqual(["none net-1"]);
  });

  it("gives the addresses of a network that goes to the one that asks for the same", () => {
    const subnet = { ...spec, subnet: "10.9.0.0/24" };
    const old = there({ object_id: "n0", name: "net-0", spec: { ...subnet, reaches_host: false } });
    const wanted = { desired: [{ ...build, spec: { ...subnet, gateway: "10.9.0.9" } }] };
    const steps = networkSteps(decided([old], wanted), () => undefined);
    const [made] = steps.ensures.values();
    expect(made?.depends_on).toEqual(steps.removes.map(({ id }) => id));
    expect(steps.removes).toHaveLength(1);
    const used = { ...old, users: [{ object_id: "x", name: "x" }] };
    expect(actions([used], wanted)).toEqual(["blocked net-1", "blocked net-0"]);
  });
});
