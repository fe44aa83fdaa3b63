import { describe, expect, it } from "vitest";
import { Misshapen, tryRead } from "../../../src/drivers/docker/parts.ts";
import { readContainer, readContainers } from "../../../src/drivers/docker/wire-container.ts";
import { readInfo, readLayerChanges, readNetworks, readTop } from "../../../src/drivers/docker/wire.ts";

const BARE = { Id: "c1", Name: "/sk-a", State: {}, Config: {}, HostConfig: {} };

describe("an engine's answer", () => {
  it("may leave out, or answer null for, all that it does not know", () => {
    const nothing = readContainer(BARE);
    expect(nothing.HostConfig).toMatchObject({
      Memory: 0,
      Init: false,
      CapDrop: [],
      Tmpfs: {},
      NetworkMode: "",
    });
    expect(nothing).toMatchObject({
      Mounts: [],
      NetworkSettings: [],
      ExecIDs: [],
      State: { Health: undefined },
    });
    const keys = Object.keys(nothing.HostConfig);
    const nulls = Object.fromEntries(keys.map((key) => [key, null]));
    expect(readContainer({ ...BARE, HostConfig: nulls, Mounts: null, NetworkSettings: null })).toEqual(
      nothing,
    );
    expect(readInfo({})).toMatchObject({ OSType: "linux", MemoryLimit: true, SwapLimit: true });
    const unsaid = { IndexConfigs: {}, InsecureRegistryCIDRs: [] };
    for (const told of [{}, { RegistryConfig: null }, { RegistryConfig: { InsecureRegistryCIDRs: null } }]) {
      expect(readInfo(told).RegistryConfig).toEqual(unsaid);
    }
    expect(readLayerChanges(null)).toEqual([]);
  });

  it("is read into what the rest of the driver knows", () => {
    const container = readContainer({
      ...BARE,
      Config: { Entrypoint: "sh", Cmd: ["-c", "true"], Labels: { a: "b" } },
      NetworkSettings: { Networks: { none: { NetworkID: "n1" }, gone: null } },
    });
    expect(container.Config).toMatchObject({ Entrypoint: ["sh"], Cmd: ["-c", "true"], Labels: { a: "b" } });
    expect(container.NetworkSettings).toEqual([
      { name: "none", id: "n1" },
      { name: "gone", id: "" },
    ]);
    expect(
      readNetworks([{ Id: "n", Name: "x", IPAM: { Config: [{ Subnet: "10.0.0.0/8" }] } }]),
    ).toMatchObject([{ Internal: false, IPAM: [{ Subnet: "10.0.0.0/8", Gateway: "" }] }]);
    const { RegistryConfig } = readInfo({
      RegistryConfig: {
        IndexConfigs: { "a:1": { Secure: false }, b: {} },
        InsecureRegistryCIDRs: ["10.0.0.0/8"],
      },
    });
    expect(RegistryConfig).toEqual({
      IndexConfigs: { "a:1": { Secure: false }, b: { Secure: true } },
      InsecureRegistryCIDRs: ["10.0.0.0/8"],
    });
    expect(readTop({ Processes: [["1", "sh"]] })).toEqual({ Processes: [["1", "sh"]] });
  });

  it.each([
    ["no object", readContainer, "<html>", "answer: expected object, received string"],
    ["no list", readContainers, { message: "no" }, "answer: expected array, received object"],
    ["without an id", readContainer, { ...BARE, Id: null }, "Id: expected string, received null"],
    [
      "without a state",
      readContainer,
      { ...BARE, State: undefined },
      "State: expected object, received undefined",
    ],
    [
      "with text for a size",
      readContainer,
      { ...BARE, HostConfig: { Memory: "1g" } },
      "Memory: expected number",
    ],
    ["with numbers for names", readContainers, [{ Id: "c", Names: [1] }], "Names: expected array of strings"],
    [
      "with a nested label",
      readContainers,
      [{ Id: "c", Labels: { a: {} } }],
      "Labels: expected table of strings",
    ],
    ["of an unknown change", readLayerChanges, [{ Path: "/a", Kind: 7 }], "Kind: expected 0, 1 or 2"],
  ])("%s is told where it is misshapen", (_, read, answer, fault) => {
    expect(() => read(answer)).toThrow(Misshapen);
    expect(() => read(answer)).toThrow(fault);
    expect(tryRead<unknown>(read, answer)).toBeUndefined();
  });
});
