/** Containers' processes as this machine shows them, where it is the engine's own. */
import { processStat, procText } from "../../util/process-identity.ts";
import type { Container } from "./wire-container.ts";

/**
 * Whether a container's own program, which may stand below an init, is this command and has come as far as to wait, which
 * its start does for no more than a file of its own. Undefined where that cannot be seen.
 */
export function isAsleep(
  { Id, State: { Pid } }: Pick<Container, "Id"> & { readonly State: Pick<Container["State"], "Pid"> },
  argv: readonly string[],
  proc = "/proc",
): boolean | undefined {
  // The engine may live in a virtual machine, where this number is another process's: its control group names the container.
  if (Pid <= 1 || !procText(`${proc}/${Pid}/cgroup`).includes(Id)) return undefined;
  const command = argv.map((word) => `${word}\0`).join("");
  return [Pid, ...childrenOf(Pid, proc)].some(
    (pid) => procText(`${proc}/${pid}/cmdline`) === command && processStat(pid, proc)?.state === "S",
  );
}

export function childrenOf(pid: number, proc = "/proc"): number[] {
  return procText(`${proc}/${pid}/task/${pid}/children`)
    .split(" ")
    .filter((word) => word !== "")
    .map(Number);
}
