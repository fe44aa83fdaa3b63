import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../../errors.ts";
import type { Engine } from "./client.ts";
import { findExec } from "./execs.ts";
import { runOwn } from "./own-command.ts";
import { childrenOf } from "./processes.ts";

/** Variable by which a command and all its children are found; it holds a random id and no secret. */
export const MARKER = "SANDKEEP_EXEC";

export interface ExecIdentity {
  readonly objectId: string;
  readonly execId: string;
  readonly marker: string;
}

const NOT_FOUND = 3;
const TRIES = 20;
const PAUSE_MS = 50;

/**
 * The engine cannot signal a command, so a second one does: it runs as the same user and finds the first and its
 * children by their environment. Parents come first, as with a terminal's process group, so that a shell sees the
 * signal before it sees its child end. KILL is repeated until none is left, since a process may fork meanwhile.
 */
const SCRIPT = `
pass=0
while [ "$pass" -lt 5 ]; do
  pids=
  for folder in /proc/[0-9]*; do
    pid=\${folder#/proc/}
    [ "$pid" = "$$" ] && continue
    cat "$folder/environ" 2>/dev/null | grep -q "$1" && pids="$pids $pid"
  done
  [ -n "$pids" ] || { [ "$pass" = 0 ] && exit ${NOT_FOUND}; break; }
  sorted=$(printf '%s\\n' $pids | sort -n) && pids=$sorted
  kill -s "$2" $pids 2>/dev/null
  [ "$2" = KILL ] || break
  pass=$((pass + 1))
done
exit 0
`;

/** Success when the command has already ended. */
export async function signalExec(engine: Engine, exec: ExecIdentity, name: NodeJS.Signals): Promise<void> {
  const args = [`${MARKER}=${exec.marker}`, name.replace(/^SIG/, "")];
  let said = "";
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const state = await findExec(engine, exec.execId);
    if (state === undefined || (!state.Running && typeof state.ExitCode === "number")) return;
    const sent = await runOwn(engine, exec.objectId, SCRIPT, args);
    if (sent.exitCode === 0) return;
    if (await signalFromHere(engine, exec, state.Pid, name)) return;
    said = sent.output;
    if (sent.exitCode !== NOT_FOUND) break;
    // The process may be about to start, or about to be recorded as ended.
    await sleep(PAUSE_MS);
  }
  throw new SandkeepError(
    `cannot signal the command: ${said === "" ? "its processes were not found" : said}`,
    {
      code: "DOCKER_SIGNAL",
      blame: "backend",
      hint: "signalling needs sh, cat and grep in the image, or an engine on this machine",
    },
  );
}

/** For images without a shell, when the engine's processes are ours to signal; false when they are not. */
async function signalFromHere(
  engine: Engine,
  exec: ExecIdentity,
  pid: number,
  name: NodeJS.Signals,
): Promise<boolean> {
  if ((await engine.endpoint()).kind !== "unix" || pid <= 1) return false;
  // The engine may live in a virtual machine, where this number is another process's: its environment must prove it.
  if (!(await hasMarker(pid, exec.marker))) return false;
  try {
    for (const each of [pid, ...descendants(pid)]) {
      if (await hasMarker(each, exec.marker)) process.kill(each, constants.signals[name]);
    }
    return true;
  } catch {
    return false;
  }
}

async function hasMarker(pid: number, marker: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
  return environment.split("\0").includes(`${MARKER}=${marker}`);
}

function descendants(pid: number): number[] {
  const children = childrenOf(pid);
  return [...children, ...children.flatMap((child) => descendants(child))];
}
