import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { isAsleep } from "../../../src/drivers/docker/processes.ts";

const ID = "4f247ededa6db9e9c02983231ee1ee533c83bc2b417c9a4efe3ef1322b2ae5ab";
const KEEPER = ["sleep", "infinity"];
const MAIN = 300;
const CHILD = 301;

interface Process {
  readonly argv: readonly string[];
  readonly state?: string;
  readonly children?: readonly number[];
  readonly cgroup?: string;
}

/** What /proc shows of these processes. */
function proc(processes: Readonly<Record<number, Process>>): string {
  const folder = mkdtempSync(join(tmpdir(), "sandkeep-proc-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [pid, { argv, state = "S", children = [], cgroup = `0::/docker/${ID}` }] of Object.entries(
    processes,
  )) {
    const own = join(folder, pid);
    mkdirSync(join(own, "task", pid), { recursive: true });
    writeFileSync(join(own, "cgroup"), `${cgroup}\n`);
    writeFileSync(join(own, "cmdline"), argv.map((word) => `${word}\0`).join(""));
    // A program may be named like the rest of the line.
    writeFileSync(
      join(own, "stat"),
      `${pid} (a) S b) ${state} 1 1 1 0 -1 4194560 90 0 0 0 0 0 0 0 20 0 1 0 4711\n`,
    );
    writeFileSync(join(own, "task", pid, "children"), children.map((child) => `${child} `).join(""));
  }
  return folder;
}

const init: Process = { argv: ["/sbin/docker-init", "--", ...KEEPER], children: [CHILD] };
const keeper: Process = { argv: KEEPER };
const container = { Id: ID, State: { Pid: MAIN } };

it.each<[string, boolean | undefined, Readonly<Record<number, Process>>]>([
  ["below an init", true, { [MAIN]: init, [CHILD]: keeper }],
  ["as the first process", true, { [MAIN]: keeper }],
  ["under systemd", true, { [MAIN]: { ...keeper, cgroup: `0::/system.slice/docker-${ID}.scope` } }],
  ["but its start is not over", false, { [MAIN]: init, [CHILD]: { ...keeper, state: "R" } }],
  ["but it waits for the disk", false, { [MAIN]: init, [CHILD]: { ...keeper, state: "D" } }],
  ["but it has ended", false, { [MAIN]: init, [CHILD]: { ...keeper, state: "Z" } }],
  ["but it is not loaded", false, { [MAIN]: init, [CHILD]: { argv: init.argv } }],
  ["but the init has no child yet", false, { [MAIN]: { ...init, children: [] } }],
  ["but another command", false, { [MAIN]: { argv: ["sleep", "10"] } }],
  ["but of another container", undefined, { [MAIN]: { ...keeper, cgroup: "0::/docker/77e0" } }],
  ["but nothing is there", undefined, {}],
])("a container's command waits: %s", (_title, expected, processes) => {
  expect(isAsleep(container, KEEPER, proc(processes))).toBe(expected);
});

it("of a container that does not run nothing does", () => {
  const folder = proc({ 0: keeper, 1: keeper });
  expect(isAsleep({ Id: ID, State: { Pid: 0 } }, KEEPER, folder)).toBe(undefined);
  expect(isAsleep({ Id: ID, State: { Pid: 1 } }, KEEPER, folder)).toBe(undefined);
});
