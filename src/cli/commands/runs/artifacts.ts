import type { RunArtifactList } from "../../../model/artifacts.ts";
import { renderArtifacts } from "../../../render/runs.ts";
import { listArtifacts } from "../../../runs/artifacts.ts";
import { artifactsFolder } from "../../../runs/layout.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { answer, answerInvalid } from "../../print.ts";
import { selectedRun } from "../../run-selection.ts";

/** What a run left of what was asked for, as path and size. */
export async function run(invocation: Invocation): Promise<number> {
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const { folder, manifest } = selection.run;
  const artifacts = await listArtifacts(folder);
  const { left_out = [], left_out_count = 0, error = null } = manifest.artifacts ?? {};
  const listed: RunArtifactList = {
    run_id: manifest.run_id,
    folder: artifacts.length === 0 ? null : artifactsFolder(folder),
    artifacts,
    left_out,
    left_out_count,
    error,
  };
  await answer(invocation, listed, (style) => renderArtifacts(listed, style));
  return EXIT.ok;
}
