import { setTimeout as sleep } from "node:timers/promises";
import type { Settings } from "./settings.ts";
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
  /** Throws what else must hold after the recovery, and does not. */
  readonly holds?: (site: Site) => Promise<void>;
  /** What must then still be possible, and where that ends. */
  readonly afterwards?: { readonly argv: readonly string[]; readonly end: End };
}

export const APPLY: readonly string[] = ["apply", "--yes"];
const IDLE_MS = 50;

const PLAIN = {
  idle: "24h",
  net: "none",
  salvage: false,
  image: "held",
  workspace: "none",
} as const satisfies Partial<Settings>;

/** What a runtime has to be made anew for, so that a flow begins with one of its own kind. */
const shapeOf = ({ net, salvage, image, workspace }: Settings): string =>
  [net, salvage, image, workspace].join();

async function awake(site: Site, like: Partial<Settings> = PLAIN): Promise<void> {
  const before = shapeOf(site.settings);
  await site.configure({ ...PLAIN, ...like });
  const [found] = await site.containers();
  if (found !== undefined && shapeOf(site.settings) === before) return;
  await site.wipe();
  await site.ok(...APPLY);
}

/** Nothing is there, and what is configured is still to be made. */
async function absent(site: Site, like: Partial<Settings> = PLAIN): Promise<void> {
  const { workspace = PLAIN.workspace } = like;
  // The apply after such a change looks at the engine by its former name as well: one before the flow, not within.
  if ((workspace === "none") !== (site.settings.workspace === "none")) await awake(site, { workspace });
  await site.configure({ ...PLAIN, ...like });
  await site.wipe();
}

/** The same, with new files to fill the workspace with: what an older volume held is not taken for them. */
async function unseeded(site: Site, workspace: Settings["workspace"]): Promise<void> {
  await site.configure({ round: site.settings.round + 1 });
  await site.prepareWorkspace(seedOf(site));
  await absent(site, { workspace });
}

const seedOf = (site: Site): string => `seed-${site.fleet}-${site.settings.round}`;

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
  {
    name: "create with pull",
    arrange: async (site) => {
      await absent(site, { image: "pulled" });
      await site.image.takeAway();
    },
    argv: APPLY,
    ends: ["running"],
    holds: (site) => site.expectPulled(),
  },
  // Read-only: only a helper that holds the volume meanwhile can be given the files.
  {
    name: "create with seed",
    arrange: (site) => unseeded(site, "ro"),
    argv: APPLY,
    ends: ["running"],
    holds: (site) => site.expectSeeded(seedOf(site)),
  },
  // What a killed one left goes first, with the mark that keeps its workspace from looking filled.
  {
    name: "seed once more",
    arrange: async (site) => {
      await unseeded(site, "rw");
      await site.killedAt("PUT /containers/{}/archive", ...APPLY);
    },
    argv: APPLY,
    ends: ["running"],
    holds: (site) => site.expectSeeded(seedOf(site)),
  },
];
