import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { liveness, ownIdentity } from "../../src/util/process-identity.ts";

const own = ownIdentity();

it("knows its own process", () => {
  expect(own.pid).toBe(process.pid);
  expect(liveness(own)).toBe("alive");
});

it.each([
  ["a reused pid is another process", { start_time: "1" }, "dead"],
  ["a pid that nobody has", { pid: 2 ** 22 + 1 }, "dead"],
  ["under another kernel nobody knows", { boot_id: "another" }, "unknown"],
  ["in another container nobody knows", { pid_namespace: "pid:[1]" }, "unknown"],
] as const)("%s", (_title, other, life) => {
  expect(liveness({ ...own, ...other })).toBe(life);
});

it("takes a killed process that nobody reaped for dead", async () => {
  // The shell's child is killed; the shell itself becomes `sleep`, which never reaps it.
  const parent = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = await once(parent.stdout, "data");
    const pid = Number(String(line));
    const { readFile } = await import("node:fs/promises");
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const start_time = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
    expect(liveness({ ...own, pid, start_time })).toBe("alive");
    process.kill(pid, "SIGKILL");
    await expect.poll(() => liveness({ ...own, pid, start_time })).toBe("dead");
  } finally {
    parent.kill("SIGKILL");
  }
});
