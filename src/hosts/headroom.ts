/** In: a look at a host, what is stale there, and its limits. Out: what is below them, in words; nothing is ever removed for it. */
import type { HostSnapshot } from "../model/host.ts";
import type { HeadroomSettings } from "../model/settings.ts";
import type { Engine } from "../reconcile.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { FleetState } from "../state/directory.ts";
import { fleetState } from "../state/directory.ts";
import { recordHostStanding } from "../state/host-standing.ts";
import { formatBytes } from "../util/bytes.ts";
import type { Look } from "./look.ts";
import { judgeHost } from "./survey.ts";

export interface Shortage {
  readonly of: "disk" | "memory" | "stale";
  readonly why: string;
}

const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

/** About right is enough to act on, and what moves a little is no news. */
function about(bytes: number): string {
  const unit = bytes >= 1024 * MIB ? 1024 * MIB : MIB;
  return formatBytes(Math.max(0, Math.floor(bytes / unit)) * unit);
}

/** Pure. What the host does not tell is no shortage. */
export function shortagesOf(
  { disks, memory }: Pick<HostSnapshot, "disks" | "memory">,
  stale: number,
  limits: HeadroomSettings,
): readonly Shortage[] {
  const { disk_min_free: disk, memory_min_free: least, max_stale: most } = limits;
  const mounts = new Map(disks.map((each) => [each.mount, each]));
  const short = [...mounts.values()].filter(({ available }) => disk !== undefined && available < disk);
  return [
    ...short.map(({ mount, available }) => ({
      of: "disk" as const,
      why: `${about(available)} free on ${mount}, less than disk_min_free = ${formatBytes(disk ?? 0)}`,
    })),
    ...(least !== undefined && memory !== null && memory.available < least
      ? [
          {
            of: "memory" as const,
            why: `${about(memory.available)} of memory available, less than memory_min_free = ${formatBytes(least)}`,
          },
        ]
      : []),
    ...(most !== undefined && stale > most
      ? [
          {
            of: "stale" as const,
            why: `${String(stale)} stale things, more than max_stale = ${String(most)}`,
          },
        ]
      : []),
  ];
}

/** A look weighed by the config's limits; where there are none any more, nothing stays said against the host. */
export async function weighHost(engine: Engine, config: LoadedFleet, look: Look): Promise<void> {
  const { snapshot } = look;
  const { host } = snapshot;
  const state = fleetState(engine.stateDir, config.fleet.fleet);
  const limits = config.fleet.hosts[host]?.headroom;
  if (limits === undefined) {
    await recordHostStanding(state, { host, by: "headroom" }, undefined, engine.now());
    return;
  }
  const stale = limits.max_stale === undefined ? [] : await judgeHost(engine, config, look, DAY_MS);
  await tellShortages(engine, state, host, shortagesOf(snapshot, stale.length, limits), limits);
}

/** Told when it is news, and kept for plans and `status`. */
export async function tellShortages(
  engine: Pick<Engine, "now" | "sink">,
  state: FleetState,
  host: string,
  shortages: readonly Shortage[],
  limits: HeadroomSettings,
): Promise<void> {
  const why = shortages.map((each) => each.why).join("; ");
  const word =
    shortages.length === 0 ? undefined : { why, since: engine.now(), blocks: limits.back_pressure };
  const news = await recordHostStanding(state, { host, by: "headroom" }, word, engine.now());
  if (!news) return;
  const pressed = limits.back_pressure ? "; nothing new is made there until there is room" : "";
  const message = word === undefined ? `host ${host} has room again` : `host ${host}: ${why}${pressed}`;
  const level = word === undefined ? "info" : "warn";
  engine.sink.notify({ type: "note", level, code: "HOST_HEADROOM", message });
}
