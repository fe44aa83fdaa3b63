import type { VerbOption } from "./verb-option.ts";
import { AGENT, SESSION } from "./verb-option.ts";

/** What `run` and `shell` take. */
export const RUN_OPTIONS: readonly VerbOption[] = [
  AGENT,
  SESSION,
  { flags: "--timeout <duration>", about: "end the command after this time; exit 124" },
  { flags: "--env-mode <mode>", about: "inherit (default), or clean: without the agent's secrets" },
  { flags: "--source <name>", about: "who asks, as `runs` tells it (default cli)" },
  {
    flags: "--env <NAME[=VALUE]>",
    about: "set a variable, or pass the one of this shell; may be repeated",
    repeated: true,
  },
  {
    flags: "--artifact <glob>",
    about: "keep what it leaves there in its workspace, such as out/**; may be repeated",
    repeated: true,
  },
  { flags: "--bin <path>", about: "a program of this machine that it finds before any other of that name" },
  { flags: "--ephemeral", about: "in a sandbox of its own, which goes with it" },
  { flags: "--image <image>", about: "ephemeral: made from this image" },
  { flags: "--backend <name>", about: "ephemeral: on this backend" },
  { flags: "--keep", about: "ephemeral: it stays until its time is up" },
  { flags: "--ttl <duration>", about: "ephemeral: its time (default runs.ephemeral_ttl, 1h)" },
  { flags: "--in <address>", about: "in an ephemeral sandbox that was kept" },
];
