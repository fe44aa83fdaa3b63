import { dockerDriver } from "../../src/drivers/docker/index.ts";
import { describeWithServices } from "../support/services.ts";
import { describeDriverContract } from "./driver-contract.ts";
import { describeWorkspaceContract } from "./workspace-contract.ts";
import { engineHarness, MIB } from "./engine-harness.ts";

describeWithServices("a real Docker Engine", (services) => {
  describeDriverContract("docker", () =>
    engineHarness({
      module: dockerDriver,
      service: services().docker,
      cli: ["docker", "-H", services().docker.host],
      live: [
        {
          path: "docker.memory",
          from: { options: { memory: 64 * MIB } },
          to: { options: { memory: 96 * MIB } },
        },
        { path: "docker.cpus", from: { options: { cpus: 0.5 } }, to: { options: { cpus: 0.75 } } },
        { path: "docker.pids", from: { options: { pids: 64 } }, to: { options: { pids: 128 } } },
        { path: "docker.restart", from: {}, to: { options: { restart: "unless-stopped" } } },
      ],
    }),
  );
  describeWorkspaceContract("a workspace volume", () =>
    engineHarness({
      // As of an engine of another machine.
      module: { ...dockerDriver, provider: () => "volume" },
      service: services().docker,
      cli: ["true"],
      live: [],
    }),
  );
});
