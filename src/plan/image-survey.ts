import { desireNetworks } from "../desire/networks.ts";
import type { ReadDriver } from "../drivers/driver.ts";
import type { NetworkKey } from "../model/network.ts";
import type { OpenEngine } from "../observe/engines.ts";
import { closeEngines, engineKey, openReaders, readersOf } from "../observe/engines.ts";
import type { ImageFact, ImageWant } from "../observe/images.ts";
import { imageKey } from "../observe/images.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { loadFleet } from "../policy/fleet.ts";
import type { Engine } from "./engine.ts";
import { driverDeps } from "./engine.ts";
import { gateImages } from "./networks.ts";
import type { Survey } from "./survey.ts";
import { survey } from "./survey.ts";

/** An image that declared runtimes, or gates of their networks, are to be made of, on one engine. */
export interface DeclaredImage extends ImageWant {
  readonly addresses: readonly string[];
  readonly networks: readonly NetworkKey[];
  /** What it means there now. */
  readonly fact: ImageFact | undefined;
}

/** The fleet's images with their engines open for reading. */
export interface ImageSurvey {
  readonly seen: Survey;
  readonly config: LoadedFleet;
  readonly declared: readonly DeclaredImage[];
  readonly engines: readonly OpenEngine[];
  /** Undefined for an engine that could not be opened or has no images. */
  readonly readerOf: (place: { readonly backend: string; readonly host: string }) => ReadDriver | undefined;
}

export interface ImagesRequest {
  readonly file?: string;
}

/** Looks at the fleet as a plan does, though its lock file may lack what is pinned, and keeps the engines open for `work`. */
export async function withImages<T>(
  engine: Engine,
  request: ImagesRequest,
  work: (images: ImageSurvey) => Promise<T>,
): Promise<T | Invalid> {
  const { cwd, env, drivers, stateDir } = engine;
  const config = await loadFleet({ file: request.file, cwd, env, drivers, stateDir, unlocked: true });
  if (config.status === "invalid") return config;
  const seen = await survey(engine, { config, wanted: [] });
  if (seen.status === "invalid") return seen;
  const refs = seen.engines.filter((ref) => seen.modules[ref.backend]?.capabilities.images === true);
  const engines = await openReaders(refs, seen.modules, driverDeps(engine));
  const readers = readersOf(engines);
  try {
    return await work({
      seen,
      config,
      declared: declaredImages(seen),
      engines,
      readerOf: (place) => readers.get(engineKey(place)),
    });
  } finally {
    await closeEngines(engines);
  }
}

function declaredImages(seen: Survey): DeclaredImage[] {
  const found = new Map<string, { want: ImageWant; addresses: string[]; networks: NetworkKey[] }>();
  const used = (want: ImageWant): { addresses: string[]; networks: NetworkKey[] } => {
    const users = found.get(imageKey(want)) ?? { want, addresses: [], networks: [] };
    found.set(imageKey(want), users);
    return users;
  };
  for (const { image, backend, host, address } of seen.desired)
    if (image !== undefined) used({ ...image, backend, host }).addresses.push(address);
  for (const each of desireNetworks(seen.config?.fleet, seen.desired))
    for (const image of gateImages([each])) used(image).networks.push(each.network);
  return [...found.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { want, ...users }]) => ({ ...want, ...users, fact: seen.images.get(key) }));
}
