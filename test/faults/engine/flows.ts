import { setTimeout as sleep } from "node:timers/promises";
import type { End, Settings, Site } from "./site.ts";

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
  /** Throws what else must hold after the recovery, and does not. */
  readonly holds?: (site: Site) => Promise<void>;
  /** What must then still be possible, and where that ends. */
  readonly afterwards?: { readonly argv: readonly string[]; readonly end: End };
}

export const APPLY: readonly string[] = ["apply", "--yes"];
const IDLE_MS = 50;

const PLAIN = { idle: "24h", net: "none", salvage: false } as const;

async function awake(site: Site, like: Partial<Settings> = PLAIN): Promise<void> {
  const { net, salvage } = site.settings;
  await site.configure({ ...PLAIN, ...like });
  const [found] = await site.containers();
  const same = net === site.settings.net && salvage === site.settings.salvage;
  if (found !== undefined && same) return;
  await site.wipe();
  await site.ok(...APPLY);
}

/** Nothing is there, and what is configured is still to be made. */
async function absent(site: Site, like: Partial<Settings> = PLAIN): Promise<void> {
  await site.configure({ ...PLAIN, ...like });
  await site.wipe();
}

/** What was written in what a round replaces. */
const workBefore = (site: Site, round: number): string => `work-${site.fleet}-${round}`;

async function asleep(site: Site): Promise<void> {
  await awake(site);
  await sleep(IDLE_MS);
  await site.ok("prune", "--idle", `${IDLE_MS}ms`, "--yes");
}

export const FLOWS: readonly Flow[] = [
  {
    name: "create",
    arrange: (site) => absent(site),
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
    arrange: (site) => awake(site),
    argv: ["destroy", "--all", "--yes"],
    recovery: ["destroy", "--all", "--yes"],
    ends: ["gone"],
  },
  {
    name: "create with net",
    arrange: (site) => absent(site, { net: "owned" }),
    argv: APPLY,
    ends: ["running"],
  },
  {
    name: "create with gate",
    arrange: (site) => absent(site, { net: "gate" }),
    argv: APPLY,
    ends: ["running"],
  },
  {
    name: "destroy gated",
    arrange: (site) => awake(site, { net: "gate" }),
    argv: ["destroy", "--all", "--yes"],
    recovery: ["destroy", "--all", "--yes"],
    ends: ["gone"],
  },
  {
    name: "salvage",
    arrange: async (site) => {
      await awake(site, { salvage: true });
      const round = site.settings.round + 1;
      await site.work(workBefore(site, round));
      await site.configure({ round });
    },
    argv: APPLY,
    ends: ["running"],
    holds: (site) => site.expectKept(workBefore(site, site.settings.round)),
  },
];
