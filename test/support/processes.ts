/** What runs on this machine, containers included. */
import { randomBytes } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";

/** The argv of every process, each word ended by a NUL. */
export async function everyArgv(): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
}

/** Seconds for `sleep` that no other test asks for, so that its process is known by them. */
export function uniqueSleep(): string {
  return `300.${String(randomBytes(4).readUInt32BE(0)).padStart(10, "0")}`;
}

export async function isRunning(tag: string): Promise<boolean> {
  return (await everyArgv()).some((argv) => argv.startsWith(`sleep\0${tag}`));
}
