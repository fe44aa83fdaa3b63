import { setTimeout as sleep } from "node:timers/promises";
import type { End, Site } from "./site.ts";

/** What can be done to a runtime, each kind of change once. */
export interface Flow {
  readonly name: string;
  /** Brings a site that is at rest to where the flow begins. */
  readonly arrange: (site: Site) => Promise<void>;
  readonly argv: readonly string[];
  /** What a person would do next; a plain apply where absent. */
  readonly recovery?: readonly string[];
  /** Where the recovery must end; several where it depends on how far the flow came. */
  readonly ends: readonly End[];
  /** What must then still be possible, and where that ends. */
  readonly afterwards?: { readonly argv: readonly string[]; readonly end: End };
}

export const APPLY: readonly string[] = ["apply", "--yes"];
const IDLE_MS = 50;

async function awake(site: Site): Promise<void> {
  await site.configure({ idle: "24h" });
  const [found] = await site.containers();
  if (found !== undefined) return;
  await site.wipe();
  await site.ok(...APPLY);
}

async function asleep(site: Site): Promise<void> {
  await awake(site);
  await sleep(IDLE_MS);
  await site.ok("prune", "--idle", `${IDLE_MS}ms`, "--yes");
}

export const FLOWS: readonly Flow[] = [
  {
    name: "create",
    arrange: async (site) => {
      await site.configure({ idle: "24h" });
      await site.wipe();
    },
    argv: APPLY,
    ends: ["running"],
  },
  {
    name: "recreate",
    arrange: async (site) => {
      await awake(site);
      await site.configure({ round: site.settings.round + 1 });
    },
    argv: APPLY,
    ends: ["running"],
  },
  {
    name: "update",
    arrange: async (site) => {
      await awake(site);
      await site.configure({ memory: site.settings.memory === 64 ? 96 : 64 });
    },
    argv: APPLY,
    ends: ["running"],
  },
  {
    name: "adopt",
    arrange: async (site) => {
      await awake(site);
      await site.rename(`moved-${site.fleet}`);
    },
    argv: APPLY,
    ends: ["running"],
  },
  {
    name: "prune",
    arrange: async (site) => {
      await awake(site);
      await site.configure({ idle: `${IDLE_MS}ms` });
      await sleep(IDLE_MS);
    },
    argv: APPLY,
    ends: ["dormant"],
  },
  {
    name: "wake",
    arrange: asleep,
    argv: ["run", "--agent", "a", "--", "true"],
    recovery: APPLY,
    ends: ["running", "dormant"],
    afterwards: { argv: ["run", "--agent", "a", "--", "true"], end: "running" },
  },
  {
    name: "destroy",
    arrange: awake,
    argv: ["destroy", "--all", "--yes"],
    recovery: ["destroy", "--all", "--yes"],
    ends: ["gone"],
  },
];
