import { podmanDriver } from "../../src/drivers/docker/podman.ts";
import { describeWith } from "../support/services.ts";
import { describeDriverContract } from "./driver-contract.ts";
import { engineHarness } from "./engine-harness.ts";
import { describeWorkspaceContract } from "./workspace-contract.ts";

describeWith(["podman"], "a real Podman", (services) => {
  describeDriverContract("podman", () =>
    engineHarness({
      module: podmanDriver,
      service: services().podman,
      cli: ["podman", "--url", services().podman.host],
      // It changes nothing in place, and its field table says so.
      live: [],
      variants: {
        "every way to write a tmpfs": {
          options: { tmpfs: ["/run:exec", "/tmp:size=8m,noexec,rw", "/var/tmp:mode=1777,suid,dev", "/x:ro"] },
        },
        "fractions of a CPU": { options: { cpus: 0.123456 } },
        "capabilities that it never gives": { options: { cap_drop: ["CHOWN", "NET_RAW", "SYS_ADMIN"] } },
        "all capabilities and one more": { options: { cap_drop: ["ALL", "NET_RAW"] } },
        "its own network's name": { options: { network: "podman" } },
        "its own variables": { env: { TERM: "dumb", HOME: "/workspace", container: "mine" } },
      },
    }),
  );
  describeWorkspaceContract("a workspace volume of Podman", () =>
    engineHarness({
      // As of an engine of another machine.
      module: { ...podmanDriver, provider: () => "volume" },
      service: services().podman,
      cli: ["true"],
      live: [],
    }),
  );
});
