import { equalJson } from "../../util/json-path.ts";
import type { Engine } from "./client.ts";
import { isGone } from "./errors.ts";
import type { Container } from "./wire-container.ts";
import type { Exec } from "./wire.ts";
import { readExec } from "./wire.ts";

/** First argument of every command that sandkeep runs for itself, so that every machine can tell it from a user's. */
export const OWN_EXEC = "sandkeep-probe";

/** Commands that run in a container now, without health checks, the spec's own ready command, and ours. */
export async function countExecs(
  engine: Engine,
  container: Container,
  ready: readonly string[] | undefined,
): Promise<number> {
  if (container.State.Status !== "running") return 0;
  const execs = await Promise.all(container.ExecIDs.map((id) => findExec(engine, id)));
  const check = container.Config.Healthcheck?.Test ?? [];
  return execs.filter((exec) => exec?.Running === true && !isProbe(exec, check, ready)).length;
}

/** Undefined when the engine no longer knows it. */
export async function findExec(engine: Engine, id: string): Promise<Exec | undefined> {
  try {
    return await engine.reads.add(() =>
      engine.json({ what: "inspect a command", method: "GET", path: `/exec/${id}/json` }, readExec),
    );
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    throw thrown;
  }
}

function isProbe(exec: Exec, check: readonly string[], ready: readonly string[] | undefined): boolean {
  const argv = exec.ProcessConfig;
  if (argv.includes(OWN_EXEC)) return true;
  if (ready !== undefined && equalJson(argv, ready)) return true;
  const [style, ...words] = check;
  if (style === "CMD") return equalJson(argv, words);
  // The engine runs it through the image's shell: `/bin/sh -c <text>`.
  return style === "CMD-SHELL" && words.length > 0 && argv.at(-1) === words[0];
}
