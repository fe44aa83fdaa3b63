import { resolve } from "node:path";
import { listWords } from "../util/suggestion.ts";
import { usageError } from "./exit-codes.ts";
import type { Invocation } from "./invocation.ts";
import { HONOURED } from "./honoured.ts";

type Given = Pick<Invocation, "verb" | "options" | "globals" | "env" | "cwd">;

/** Refuses a global flag that the verb would ignore: a narrower or another fleet was meant than it would work on. */
export async function checkAccepted(given: Given): Promise<void> {
  const { verb, options, env } = given;
  for (const { flag, key, env: twin, verbs, twinRefusedBy } of HONOURED) {
    if (verbs.includes(verb)) continue;
    const flagged = options[key] !== undefined;
    const refused = flagged || (twinRefusedBy.includes(verb) && (env[twin] ?? "") !== "");
    if (!refused) continue;
    const hint = `${flag} is for ${listWords(verbs, verbs.length)}.`;
    throw usageError(
      `${verb} cannot honour ${flagged ? flag : twin}`,
      flagged ? hint : `Unset ${twin}; ${hint}`,
    );
  }
  await checkFleetTwin(given);
}

/** A verb that goes by a config works on that config's fleet; `SANDKEEP_FLEET` may say so, and nothing else. */
async function checkFleetTwin({ verb, globals, env, cwd }: Given): Promise<void> {
  const { fleet, file } = globals;
  const goes = (flag: string): boolean =>
    HONOURED.some((each) => each.flag === flag && each.verbs.includes(verb));
  if (fleet === undefined || goes("--fleet") || !goes("--file")) return;
  const [{ loadConfig }, { BACKENDS }] = await Promise.all([
    import("../config/index.ts"),
    import("../drivers/registry.ts"),
  ]);
  const place = file === undefined ? { cwd } : { cwd, file: resolve(cwd, file) };
  const result = await loadConfig({ ...place, backends: BACKENDS });
  // What is wrong with the config is the verb's to tell.
  if (!result.ok || result.loaded.config.fleet === fleet) return;
  throw usageError(
    `SANDKEEP_FLEET is ${JSON.stringify(env["SANDKEEP_FLEET"])}, but the config ${verb} goes by is of fleet ${JSON.stringify(result.loaded.config.fleet)}`,
    "Unset SANDKEEP_FLEET, or name the other fleet's config with --file.",
  );
}
