import { renderLanes } from "../../render/lanes.ts";
import { stateDirectory } from "../../state/directory.ts";
import { readLanes } from "../../state/lanes.ts";
import { EXIT } from "../exit-codes.ts";
import type { Invocation } from "../invocation.ts";
import { answer } from "../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  const base = stateDirectory(invocation.env, invocation.globals.stateDir);
  const lanes = await readLanes(base, Date.now());
  await answer(invocation, { lanes }, (style) => renderLanes(lanes, style));
  return EXIT.ok;
}
