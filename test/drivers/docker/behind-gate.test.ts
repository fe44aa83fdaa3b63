import { expect, it } from "vitest";
import { gateEnv, NO_NAMES, ownNetworkName, sinceEnd } from "../../../src/drivers/docker/gates.ts";
import { readImage } from "../../../src/drivers/docker/wire.ts";
import { createdWith, fieldsOf } from "../../support/container-fields.ts";

// A container behind a gate, as made and as somebody changed it.

const created = createdWith({ network: "egress", egress: "gate" }, { LANG: "C.UTF-8" });
const own = ownNetworkName("sk-a");

function gated({
  env = gateEnv(created.env),
  dns = [NO_NAMES],
  networks = { [own]: { NetworkID: "n1" } },
  live = new Set(["n1", "b1"]),
}: {
  readonly env?: readonly string[];
  readonly dns?: readonly string[];
  readonly networks?: Readonly<Record<string, { readonly NetworkID: string }>>;
  readonly live?: ReadonlySet<string>;
}): Record<string, unknown> {
  const shown = {
    Config: { Env: ["LANG=C.UTF-8", ...env] },
    HostConfig: { NetworkMode: own, Dns: dns },
    NetworkSettings: { Networks: networks },
  };
  return fieldsOf(shown, created, { image: readImage({ Id: "i1" }), own, live });
}

it("shows its network by the word of the config, and none of what was added for the gate", () => {
  expect(gated({})).toMatchObject({
    "docker.network": "egress",
    "docker.egress": "gate",
    "docker.dns": [],
    env: { LANG: "C.UTF-8" },
  });
});

it.each([
  ["a name server of its own", { dns: ["8.8.8.8"] }],
  ["a second name server", { dns: [NO_NAMES, "8.8.8.8"] }],
  ["no word of the gate", { env: [] }],
  ["another proxy", { env: gateEnv(created.env).map((each) => each.replace("egress-gate", "elsewhere")) }],
])("with %s it is not behind its gate any more", (_, change) => {
  expect(gated(change)["docker.egress"]).toBeNull();
});

it.each([
  [{ [own]: { NetworkID: "n1" }, bridge: { NetworkID: "b1" } }, "bridge,egress"],
  [{}, null],
  [{ [own]: { NetworkID: "gone" } }, `${own} (removed)`],
])("on %j it is not on its network alone", (networks, shown) => {
  expect(gated({ networks })["docker.network"]).toBe(shown);
});

it("counts nothing that a gate said before it last ended", () => {
  expect(sinceEnd("0001-01-01T00:00:00Z")).toEqual({});
  expect(sinceEnd("")).toEqual({});
  expect(sinceEnd("2026-11-21T08:05:05.684281477Z")).toEqual({ since: "1795248305.684" });
});
