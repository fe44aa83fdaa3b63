import { join } from "node:path";
import { hasCode, SandkeepError, toError } from "../errors.ts";
import type { GraphNode } from "../model/plan.ts";
import { TOO_LARGE } from "../model/salvage.ts";
import type { Bundle } from "../state/bundles.ts";
import { drop, finishBundle, listBundles, outlived, removeBundle, stageBundle } from "../state/bundles.ts";
import type { ApplyContext, ChangeRun } from "./context.ts";

/** Brings a library along that no other step needs. */
const packing = () => import("./bundle-contents.ts");

type SalvageNode = Extract<GraphNode, { op: "salvage" }>;

/**
 * Fails where what is to be kept is more than may be kept. Nothing is read where the plan measured that it fits; else it
 * is packed as it is now, for nothing but its size. Only that is a failure here: all else the salvage itself will tell.
 */
export async function weigh(
  node: Extract<GraphNode, { op: "weigh" }>,
  { driver, change }: ChangeRun,
  { state }: ApplyContext,
  signal: AbortSignal,
): Promise<void> {
  const { rw_bytes: measured, rw_more: more } = change.impact;
  const most = node.settings.max_bytes;
  if (most === "unlimited" || (measured !== null && !more && measured <= most)) return;
  const staged = await stageBundle(state);
  try {
    const source = await driver.salvage?.(node.object_id, node.workspace);
    if (source === undefined) return;
    const { writeContents } = await packing();
    await writeContents(join(staged, "files.tar"), source, node.settings, signal);
  } catch (thrown) {
    // What goes on working meanwhile may well spoil the copy.
    if (hasCode(thrown, TOO_LARGE)) throw thrown;
  } finally {
    await drop(staged).catch(() => undefined);
  }
}

/** Keeps what the removal after it destroys. Whatever goes wrong is thrown, so that the removal does not happen. */
export async function salvage(
  node: SalvageNode,
  run: ChangeRun,
  context: ApplyContext,
  signal: AbortSignal,
): Promise<void> {
  const { driver, change } = run;
  const { state, plan } = context;
  const seen = await driver.inspect(node.object_id);
  if (seen === undefined) return;
  if (driver.salvage === undefined) throw unable(change.backend);
  const source = await driver.salvage(node.object_id, node.workspace);
  if (source === undefined) return;
  const staged = await stageBundle(state);
  try {
    const { writeContents } = await packing();
    const { worthKeeping, ...contents } = await writeContents(
      join(staged, "files.tar"),
      source,
      node.settings,
      signal,
    );
    if (!worthKeeping) return;
    signal.throwIfAborted();
    const about = {
      fleet: plan.source.fleet,
      fleet_id: seen.labels.fleet_id ?? null,
      address: node.address,
      agent: seen.labels.agent ?? null,
      session: seen.labels.session ?? null,
      backend: node.backend,
      host: node.host,
      name: seen.name,
      object_id: node.object_id,
      spec_hash: seen.labels.spec_hash,
      why: change.why,
      ...contents,
    };
    const bundle = await finishBundle(state, staged, about, context.now());
    tell(node, bundle, context);
    await giveWay(node, context);
  } finally {
    // Gone already where it became a bundle.
    await drop(staged).catch(() => undefined);
  }
}

function tell({ address, id, op }: SalvageNode, { manifest }: Bundle, { sink }: ApplyContext): void {
  const left = manifest.skipped.length === 0 ? "" : `, ${manifest.skipped.length} left out`;
  const message = `kept ${manifest.files} files in bundle ${manifest.id}${left}`;
  sink.notify({ type: "step.progress", address, step: id, op, message, fraction: 1 });
  sink.notify({ type: "note", level: "info", code: "SALVAGED", message: `${address}: ${message}` });
}

/** Older bundles cost space, never safety: that they stay is no reason to keep the runtime. */
async function giveWay(
  { address, settings }: SalvageNode,
  { state, now, sink }: ApplyContext,
): Promise<void> {
  try {
    const { whole } = await listBundles(state);
    for (const each of outlived(whole, address, settings, now())) await removeBundle(state, each);
  } catch (thrown) {
    const message = `${address}: an older bundle could not be removed: ${toError(thrown).message}`;
    sink.notify({ type: "note", level: "warn", code: "SALVAGE_RETENTION", message });
  }
}

function unable(backend: string): SandkeepError {
  return new SandkeepError(`the ${backend} backend cannot hand out what a runtime holds`, {
    code: "SALVAGE_UNAVAILABLE",
    hint: 'set sandbox.salvage.when = "off", or give --no-salvage',
  });
}
