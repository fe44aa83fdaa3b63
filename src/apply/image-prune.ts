/**
 * In: the images that this state directory remembers to have pulled. Out: those that nothing needs, removed; and of
 * each other one, why it stays. What sandkeep did not pull is never touched.
 */
import { SandkeepError } from "../errors.ts";
import type { Driver, HeldImage, HeldImages } from "../drivers/driver.ts";
import type { ImagePrune, PrunedImage } from "../model/images.ts";
import { usersOfImage } from "../model/images.ts";
import { engineKey, failureOf } from "../observe/engines.ts";
import type { ImageSurvey, ImagesRequest } from "../plan/image-survey.ts";
import { withImages } from "../plan/image-survey.ts";
import { worstExitCode } from "../plan/exit-code.ts";
import type { Engine } from "../plan/engine.ts";
import { driverDeps } from "../plan/engine.ts";
import type { Invalid } from "../policy/fleet.ts";
import { canonicalName } from "../registry/reference.ts";
import { acquireLease } from "../state/lease.ts";
import type { PulledRecord } from "../state/pulled-images.ts";
import { forgetPulled, readPulled } from "../state/pulled-images.ts";

export interface PruneImagesRequest extends ImagesRequest {
  readonly dry_run: boolean;
}

interface Candidate {
  readonly record: PulledRecord;
  readonly held: HeldImage;
  readonly images: ImageSurvey;
}

/** Why an image stays; the first row that answers decides. */
const KEEPERS: readonly ((candidate: Candidate) => string | undefined)[] = [
  ({ held }) => (held.used_by.length > 0 ? `used by ${held.used_by.join(", ")}` : undefined),
  ({ held, images }) => {
    const entry = images.config.loaded.lock?.find(({ digest }) =>
      held.names.some((name) => name.endsWith(`@${digest}`)),
    );
    return entry === undefined ? undefined : `the lock file names it for ${entry.ref}`;
  },
  ({ record, images }) => {
    const wanted = images.declared.find(({ fact, backend, host }) => {
      const here = backend === record.backend && host === record.host;
      return here && fact?.state.status === "present" && fact.state.image.digest === record.image_id;
    });
    return wanted === undefined ? undefined : `${usersOfImage(wanted)} is to run it`;
  },
  ({ record, held }) => {
    // As the config writes a name, and as its engine does, may be two spellings of one.
    const given = new Set(record.refs.map((ref) => canonicalName(ref) ?? ref));
    const other = held.names.find((name) => !name.includes("@") && !given.has(canonicalName(name) ?? name));
    return other === undefined ? undefined : `somebody else named it ${other}`;
  },
];

/** Never asks. With `dry_run` it only says what it would do. */
export async function pruneImages(
  engine: Engine,
  request: PruneImagesRequest,
): Promise<{ readonly status: "pruned"; readonly prune: ImagePrune } | Invalid> {
  const { dry_run } = request;
  return withImages(engine, request, async (images) => {
    // An apply that is about to create from an image must not find it gone.
    await using lease = dry_run
      ? undefined
      : await acquireLease(images.seen.state, { now: () => engine.now(), waitMs: 0 });
    const assertHeld = async (): Promise<void> => lease?.assertHeld();
    const records = await readPulled(images.seen.state);
    const rows: PrunedImage[] = [];
    const codes: number[] = [];
    for (const key of new Set(records.map((each) => engineKey(each)))) {
      const here = records.filter((each) => engineKey(each) === key);
      const done = await pruneEngine(engine, images, here, dry_run, assertHeld);
      rows.push(...done.rows);
      codes.push(done.code, ...done.rows.map((each) => (each.status === "failed" ? 1 : 0)));
    }
    return { status: "pruned" as const, prune: { dry_run, images: rows, exit_code: worstExitCode(codes) } };
  });
}

async function pruneEngine(
  engine: Engine,
  images: ImageSurvey,
  records: readonly PulledRecord[],
  dryRun: boolean,
  assertHeld: () => Promise<void>,
): Promise<{ readonly rows: readonly PrunedImage[]; readonly code: number }> {
  const [first] = records;
  const ref = images.seen.engines.find((each) => first !== undefined && engineKey(each) === engineKey(first));
  const away = (why: string): { rows: PrunedImage[]; code: number } => ({
    rows: records.map((record) => row(record, undefined, "kept", why)),
    code: 69,
  });
  const module = ref === undefined ? undefined : images.seen.modules[ref.backend];
  if (ref === undefined || module === undefined) return away("nothing is known of its engine any more");
  try {
    await using driver = await module.open(ref.config, driverDeps(engine));
    const held = await driver.images?.();
    if (held === undefined) return away("its backend has no images");
    const rows = await pruneHeld(images, records, { driver, held, dryRun, assertHeld });
    return { rows, code: 0 };
  } catch (thrown) {
    if (thrown instanceof SandkeepError && thrown.kind !== "unreachable") throw thrown;
    return away(`its engine cannot be reached: ${failureOf(thrown).message}`);
  }
}

interface Work {
  readonly driver: Driver;
  readonly held: HeldImages;
  readonly dryRun: boolean;
  readonly assertHeld: () => Promise<void>;
}

async function pruneHeld(
  images: ImageSurvey,
  records: readonly PulledRecord[],
  work: Work,
): Promise<readonly PrunedImage[]> {
  const rows: PrunedImage[] = [];
  const gone: PulledRecord[] = [];
  for (const record of records) {
    if (record.engine_id !== work.held.engine_id) {
      rows.push(row(record, undefined, "kept", "another engine answers under this address now"));
      continue;
    }
    const held = work.held.images.find((each) => each.image_id === record.image_id);
    if (held === undefined) {
      gone.push(record);
      continue;
    }
    const done = await pruneOne({ record, held, images }, work);
    rows.push(done);
    if (done.status === "removed") gone.push(record);
  }
  if (!work.dryRun) await forgetPulled(images.seen.state, gone);
  return rows;
}

async function pruneOne(candidate: Candidate, work: Work): Promise<PrunedImage> {
  const { record, held } = candidate;
  for (const keeper of KEEPERS) {
    const why = keeper(candidate);
    if (why !== undefined) return row(record, held, "kept", why);
  }
  const why = "sandkeep pulled it, and nothing uses it";
  if (work.dryRun) return row(record, held, "would_remove", why);
  await work.assertHeld();
  try {
    await work.driver.removeImage?.(record.image_id);
    return row(record, held, "removed", why);
  } catch (thrown) {
    const { kind, message } = failureOf(thrown);
    // The engine knows of users that no list shows, such as images built on it.
    return row(record, held, kind === "conflict" ? "kept" : "failed", message);
  }
}

function row(
  record: PulledRecord,
  held: HeldImage | undefined,
  status: PrunedImage["status"],
  why: string,
): PrunedImage {
  const { backend, host, image_id, refs } = record;
  return { backend, host, image_id, refs: [...refs], size: held?.size ?? null, status, why };
}
