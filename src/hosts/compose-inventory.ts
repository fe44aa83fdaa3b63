/** In: a config. Out: the Compose projects on those of its hosts where Compose is said to be at home, as foreign inventory. */
import type { HostSnapshot } from "../model/host.ts";
import type { Listing } from "../model/listing.ts";
import { failureOf } from "../observe/engines.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import { lookAtHost } from "./survey.ts";

export type ComposeInventory = Pick<Listing, "foreign" | "unobserved">;

const COMPOSE_ENGINE = { "docker compose": "docker", "podman-compose": "podman" } as const;

/** Side by side; a host that gives no answer is told as unobserved, and keeps no other from being looked at. */
export async function composeInventory(engine: Engine, config: LoadedFleet): Promise<ComposeInventory> {
  const { hosts } = config.fleet;
  const all = await Promise.all(
    Object.values(hosts).map(async ({ name, compose }): Promise<ComposeInventory> => {
      if (compose === undefined) return { foreign: [], unobserved: [] };
      const backend = COMPOSE_ENGINE[compose];
      try {
        const { snapshot } = await lookAtHost(engine, config, name);
        const [silent] = snapshot.engines.filter(
          (each) => each.engine === backend && each.status !== "ready",
        );
        if (silent !== undefined) throw new Error(silent.message ?? `${backend} is not there`);
        return { foreign: projectsOf(snapshot), unobserved: [] };
      } catch (thrown) {
        return { foreign: [], unobserved: [{ backend, host: name, message: failureOf(thrown).message }] };
      }
    }),
  );
  return {
    foreign: all.flatMap((each) => each.foreign),
    unobserved: all.flatMap((each) => each.unobserved),
  };
}

function projectsOf({ host, compose_projects: projects }: HostSnapshot): Listing["foreign"] {
  return projects.map(({ engine, project, containers, running, folder }) => ({
    backend: engine,
    host,
    name: project,
    object_id: `compose:${project}`,
    why: `a Compose project: ${String(running)} of ${String(containers)} containers running${folder === null ? "" : `, from ${folder}`}`,
  }));
}
