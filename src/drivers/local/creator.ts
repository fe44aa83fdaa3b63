/** Tells whether the process that began something is still alive, so that a killed one blocks nobody. */
import { readFile } from "node:fs/promises";

/** `<pid>-<start time>-<boot>`: a reused pid is never taken for its predecessor. */
export async function thisCreator(): Promise<string> {
  return `${process.pid}-${(await startTime(process.pid)) ?? "0"}-${await bootId()}`;
}

export async function isAlive(creator: string): Promise<boolean> {
  const [pidText = "", start = "", boot = ""] = creator.split("-");
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0 || boot !== (await bootId())) return false;
  // Without /proc there is no start time to compare, and the pid alone has to do.
  return start === "0" ? pidExists(pid) : (await startTime(pid)) === start;
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function startTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The command's name may hold spaces and brackets; fields are counted after the last bracket.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

async function bootId(): Promise<string> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "latin1")).slice(0, 8);
  } catch {
    return "unknown";
  }
}
