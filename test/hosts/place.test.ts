import { expect, it } from "vitest";
import type { Host } from "../../src/model/settings.ts";
import { placeOf } from "../../src/hosts/place.ts";

const SSH = { target: "ci@b", strict_host_key: true, transport: "ssh2", folder: "/" } as const;
const host = (rest: Partial<Host>): Host => ({ name: "h", labels: {}, ...rest });

it.each([
  [
    "engines behind different ways",
    host({ docker: "tcp://10.0.0.1:2376", podman: "unix:///run/podman.sock" }),
    {
      via: "local",
      engines: { podman: "unix:///run/podman.sock" },
      apart: { docker: "tcp://10.0.0.1:2376" },
    },
  ],
  [
    "a machine whose Docker is told to listen elsewhere",
    host({ docker: "tcp://10.0.0.1:2376", ssh: SSH }),
    { via: "ssh", engines: {}, apart: { docker: "tcp://10.0.0.1:2376" } },
  ],
  [
    "one engine of this machine",
    host({ podman: "unix:///run/podman.sock" }),
    { via: "local", engines: { docker: "", podman: "unix:///run/podman.sock" }, apart: {} },
  ],
  [
    "an engine alone",
    host({ docker: "tcp://10.0.0.1:2376" }),
    { via: "engine", engines: { docker: "tcp://10.0.0.1:2376" } },
  ],
])("nothing stands for %s but what was named", (_what, told, place) => {
  const found = placeOf(told, "/");
  expect(found).toMatchObject(place);
  expect(found?.engines).toEqual(place.engines);
});
