import type { HostDelta } from "../../model/canary.ts";
import type { HostSnapshot } from "../../model/host.ts";

/** What is more (or, below 0, less) in the second look. Pure. */
export function deltaOf(before: HostSnapshot | null, after: HostSnapshot | null): HostDelta | null {
  if (before === null || after === null) return null;
  const mounts = new Map(before.disks.map((each) => [each.mount, each.available]));
  const disks = new Map(
    after.disks.flatMap(({ mount, available }) => {
      const then = mounts.get(mount);
      return then === undefined ? [] : [[mount, available - then] as const];
    }),
  );
  return {
    load_1m: difference(before.load?.[0], after.load?.[0], 2),
    memory_available: difference(before.memory?.available, after.memory?.available, 0),
    disk_available: [...disks].map(([mount, bytes]) => ({ mount, bytes })),
    processes: difference(before.processes, after.processes, 0),
    containers: after.containers.length - before.containers.length,
    directories: after.directories.length - before.directories.length,
  };
}

function difference(
  then: number | null | undefined,
  now: number | null | undefined,
  digits: number,
): number | null {
  if (then === null || then === undefined || now === null || now === undefined) return null;
  return Number((now - then).toFixed(digits));
}
