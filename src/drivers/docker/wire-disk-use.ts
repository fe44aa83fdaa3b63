/** What the Engine API answers of the disk it uses, as tolerant as wire.ts. */
import type { DiskUse } from "../../model/host.ts";
import { amount, listAt, optional, parts } from "./parts.ts";

const sum = (sizes: readonly number[]): number => sizes.reduce((all, size) => all + Math.max(0, size), 0);

export function readDiskUse(value: unknown): DiskUse {
  const of = parts(value);
  const sizes = (key: string, size: string): readonly number[] =>
    listAt(of, key, (each) => amount(parts(each, key), size));
  const volumes = listAt(of, "Volumes", (each) =>
    optional(parts(each, "Volumes"), "UsageData", (usage) => amount(usage, "Size")),
  );
  return {
    // Layers are shared, so that the sizes of images say more than there is.
    images: Math.max(0, amount(of, "LayersSize")),
    containers: sum(sizes("Containers", "SizeRw")),
    volumes: sum(volumes.map((size) => size ?? 0)),
    build_cache: sum(sizes("BuildCache", "Size")),
  };
}
