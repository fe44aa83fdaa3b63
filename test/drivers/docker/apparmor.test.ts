import { describe, expect, it } from "vitest";
import { unenforced } from "../../../src/diff/fields.ts";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import { unsupportedLimits } from "../../../src/drivers/docker/limits.ts";
import { readInfo } from "../../../src/drivers/docker/wire.ts";
import { createdWith, fieldsOf, valuesWith } from "../../support/container-fields.ts";
import { found, wish } from "../../support/runtimes.ts";

// An engine repeats the profile that it was asked for whether it applies it or not.

const ABLE = readInfo({ SecurityOptions: ["name=apparmor", "name=seccomp,profile=default"] });
const UNABLE = readInfo({ SecurityOptions: ["name=seccomp,profile=default"] });

const asksFor = (apparmor?: string) => (apparmor === undefined ? {} : { apparmor });

interface Shows {
  readonly asked?: string;
  /** What the engine says confines the container. */
  readonly profile?: string;
  readonly info: typeof ABLE;
}

function fields({ asked, profile = "", info }: Shows) {
  const SecurityOpt = asked === undefined ? [] : ["no-new-privileges", `apparmor=${asked}`];
  const created = createdWith(asksFor(asked));
  return fieldsOf({ AppArmorProfile: profile, HostConfig: { SecurityOpt } }, created, { info });
}

describe("the AppArmor profile of a container", () => {
  it.each<[string, Shows, unknown]>([
    ["none asked for, and the engine's own", { profile: "docker-default", info: ABLE }, null],
    ["applied", { asked: "mine", profile: "mine", info: ABLE }, "mine"],
    ["another one applied", { asked: "mine", profile: "docker-default", info: ABLE }, "docker-default"],
    ["asked for, and none applied", { asked: "mine", profile: "", info: ABLE }, null],
    ["none, as asked for", { asked: "unconfined", profile: "unconfined", info: ABLE }, "unconfined"],
    ["none, as asked for, where there is no AppArmor", { asked: "unconfined", info: UNABLE }, "unconfined"],
    ["none asked for where there is no AppArmor", { info: UNABLE }, null],
    // It could not be set, so it cannot drift.
    ["asked for where there is no AppArmor", { asked: "mine", info: UNABLE }, undefined],
  ])("is seen: %s", (_, shows, expected) => {
    expect(fields(shows)["docker.apparmor"]).toEqual(expected);
  });

  it.each<[string, Shows, readonly string[]]>([
    ["applied", { asked: "mine", profile: "mine", info: ABLE }, []],
    ["left out by the engine", { asked: "mine", info: ABLE }, ["docker.apparmor"]],
    ["where there is no AppArmor", { asked: "mine", info: UNABLE }, ["docker.apparmor"]],
    ["none asked for where there is no AppArmor", { info: UNABLE }, []],
    ["none, as asked for, where there is no AppArmor", { asked: "unconfined", info: UNABLE }, []],
  ])("is enforced or not: %s", (_, shows, expected) => {
    const spec = { kind: "sandbox", backend: "docker", values: valuesWith(asksFor(shows.asked)) } as const;
    const { "docker.apparmor": seen } = fields(shows);
    const current = {
      ...found(wish(), { fields: seen === undefined ? {} : { "docker.apparmor": seen } }),
      unsupported: unsupportedLimits(shows.info),
    };
    const missing = unenforced(spec, current, dockerDriver.fields);
    expect(missing.map(({ path }) => path)).toEqual(expected);
    if (shows.info === UNABLE && expected.length > 0) expect(missing[0]?.why).toContain("has no AppArmor");
  });
});
