import type { VerbOption } from "./verb-option.ts";
import type { Verb } from "./verbs.ts";

const HOST: VerbOption = {
  flags: "--host <name>",
  about: "on this host; else where the fleet's defaults say",
};

/** Verbs about hosts. */
export const HOST_VERBS: readonly Verb[] = [
  {
    name: "host",
    about: "see how hosts are and what lies there, and remove what is stale",
    args: [
      ["<action>", "list, inspect, stale or reap"],
      ["[name]", "a host of the config, or local for this machine; stale and reap: all without it"],
    ],
    options: [
      { flags: "--older-than <duration>", about: "stale, reap: only what is older (default 1d)" },
      { flags: "--dry-run", about: "reap: only say what would be removed" },
      { flags: "--apply", about: "reap: remove exactly what is listed" },
    ],
    load: () => import("./commands/host.ts"),
  },
  {
    name: "canary",
    about: "make a sandbox on a host, try it, remove it, and tell how the host bore it",
    args: [["[action]", "history: what earlier ones said"]],
    options: [
      HOST,
      { flags: "--profile <file>", about: "a [sandbox] table that goes before the config's" },
      { flags: "--keep", about: "it stays until its time is up (runs.ephemeral_ttl)" },
    ],
    load: () => import("./commands/canary.ts"),
  },
];
