import type { Diagnostic } from "../../model/diagnostic.ts";
import { formatKeyPath } from "../../model/source.ts";
import { type Draft, type Item, type Line, agentOf, whyOff } from "./draft.ts";
import { narrowRoots, refuseDoubleMounts } from "./mounts.ts";
import type { Written } from "./write.ts";

/** Every problem that sandkeep itself has with a config text; places are those of that text. */
export type CheckConfig = (text: string) => Promise<readonly Diagnostic[]>;

/** Each round refuses something, and only a file of many thousand refused keys needs more. */
const ROUNDS = 32;

/** Comments out what sandkeep refuses until it refuses nothing. Diagnostics are what is left after that. */
export async function refuse(
  draft: Draft,
  write: (draft: Draft) => Written,
  check: CheckConfig,
): Promise<{ readonly written: Written; readonly left: readonly Diagnostic[] }> {
  for (let round = 1; ; round++) {
    refuseDoubleMounts(draft);
    narrowRoots(draft);
    const written = write(draft);
    const errors = (await check(written.text)).filter(({ severity }) => severity === "error");
    if (errors.length === 0 || round === ROUNDS) return { written, left: errors };
    // Not `some`: every error of this round is to be used.
    const used = errors.filter((error) => refuseLine(draft, written, error));
    if (used.length > 0) continue;
    const [first] = errors;
    const open = [...draft.agents].filter((name) => !draft.shelved.has(name));
    if (first === undefined || open.length === 0) return { written, left: errors };
    for (const name of open) draft.shelved.set(name, reason(first.message));
  }
}

function refuseLine(draft: Draft, { owners }: Written, { line, ...fault }: Diagnostic): boolean {
  const message = reason(fault.message);
  const owner = line === undefined ? undefined : owners.get(line);
  if (owner === undefined) return false;
  if (owner.item !== undefined) return refuseItem(owner.item, message);
  if (owner.line.refused !== undefined) return false;
  owner.line.refused = message;
  if (owner.line.vital) shelveUsers(draft, owner.line);
  return true;
}

/** Places in a text that is still being written would be wrong in the end. */
function reason(message: string): string {
  return message.replace(/ \([^()\s]*:\d+\)/g, "");
}

function refuseItem(item: Item, message: string): boolean {
  if (item.refused !== undefined) return false;
  item.refused = message;
  return true;
}

/** Nothing may run in a place or a way that nobody asked for, so whoever relied on the line is commented out. */
function shelveUsers(draft: Draft, { path, value, refused = "" }: Line): void {
  const own = agentOf(path);
  if (own !== undefined) {
    const fleets = draft.lines.get(formatKeyPath(path.slice(2)));
    // Without its own line the agent takes the fleet's, which may well say the same.
    const isSame = fleets !== undefined && fleets.value === value && whyOff(draft, fleets) === undefined;
    if (!isSame && !draft.shelved.has(own)) draft.shelved.set(own, refused);
    return;
  }
  for (const name of draft.agents) {
    const says = draft.lines.get(formatKeyPath(["agents", name, ...path]));
    const isUser = says === undefined || says.refused !== undefined;
    if (isUser && !draft.shelved.has(name)) draft.shelved.set(name, refused);
  }
}
