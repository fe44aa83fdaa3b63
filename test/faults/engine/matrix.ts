// Strikes a flow at one engine call and lets one more apply put it right.
import type { Blow, EngineCall } from "../../support/fault-proxy.ts";
import { BLOWS } from "../../support/fault-proxy.ts";
import type { Ran } from "./built-cli.ts";
import type { Flow } from "./flows.ts";
import { APPLY } from "./flows.ts";
import type { End, Site } from "./site.ts";

export interface Case {
  readonly flow: Flow;
  readonly call: EngineCall;
  readonly blow: Blow;
}

export function titleOf({ flow, call, blow }: Case): string {
  return `${flow.name}: ${blow} at ${call.kind} #${call.nth}`;
}

/** The engine calls of the flow when nothing goes wrong; throws when it does not end where it should. */
export async function callsOf(flow: Flow, site: Site): Promise<readonly EngineCall[]> {
  await flow.arrange(site);
  site.proxy.arm();
  const { stdout } = await site.ok(...flow.argv);
  // A copy: what is asked afterwards is no part of the flow.
  const calls = [...site.proxy.calls];
  try {
    await expectRest(flow, site);
  } catch (cause) {
    throw new Error(`${flow.name}, undisturbed: ${String(cause)}\n${stdout}`, { cause });
  }
  return calls;
}

/** Every blow at every call; to wait for what changes nothing is like waiting for a slow machine. */
export function casesOf(flow: Flow, calls: readonly EngineCall[]): Case[] {
  return calls.flatMap((call) =>
    BLOWS.filter((blow) => call.writes || blow !== "delayed").map((blow) => ({ flow, call, blow })),
  );
}

export interface Struck {
  /** False when the blow hit nobody: how often a runtime is asked whether it is ready varies. */
  readonly struck: boolean;
}

/** Throws what is wrong after the next apply. */
export async function strike({ flow, call, blow }: Case, site: Site): Promise<Struck> {
  await flow.arrange(site);
  let kill: () => void = () => undefined;
  site.proxy.arm({ kind: call.kind, nth: call.nth, blow, kill: () => kill() });
  const running = site.start(...flow.argv);
  kill = running.kill;
  const ran = await running.ended;
  // What an earlier command asked and did not wait for may come first: then nobody is killed.
  const kills = blow.startsWith("kill");
  const killed = kills && ran.code === null;
  expectSane(ran, killed);
  const struck = site.proxy.struck && killed === kills;
  const recovery = flow.recovery ?? APPLY;
  const writes = await writesOf(site, recovery);
  if (ran.code === 0 && writes > 0) {
    throw new Error(`it exited with 0 and left ${writes} writes to the next:\n${ran.stdout}\n${ran.stderr}`);
  }
  try {
    await expectRest(flow, site);
  } catch (cause) {
    throw new Error(
      `${String(cause)}\nthe struck one exited with ${ran.code}: ${ran.stdout}\n${ran.stderr}`,
      {
        cause,
      },
    );
  }
  return { struck };
}

/** It may fail, but in an orderly way. */
function expectSane(ran: Ran, killed: boolean): void {
  const said = `${ran.stdout}\n${ran.stderr}`;
  if (ran.hung) throw new Error(`it hung:\n${said}`);
  if (killed ? ran.code !== null : ran.code === null || ![0, 1, 4, 5, 69].includes(ran.code)) {
    throw new Error(`it exited with ${ran.code}:\n${said}`);
  }
  if (/^\s+at .*:\d+:\d+\)?$/m.test(said)) throw new Error(`it showed a stack:\n${said}`);
}

/** Runs what must succeed, and counts what it asked the engine to change. */
async function writesOf(site: Site, argv: readonly string[]): Promise<number> {
  site.proxy.arm();
  await site.ok(...argv);
  return site.proxy.calls.filter(({ writes }) => writes).length;
}

async function expectRest(flow: Flow, site: Site): Promise<void> {
  const [first, ...others] = flow.ends;
  const marks = (await site.marks()).length;
  const end: End = others.includes("dormant") && marks > 0 ? "dormant" : (first ?? "running");
  if (flow.afterwards !== undefined) {
    await site.expect(end);
    await site.ok(...flow.afterwards.argv);
  }
  await expectEnd(flow, site, flow.afterwards?.end ?? end);
  await flow.holds?.(site);
}

/** As it must be, and nothing more to do: by the engine, and by a plan or one more of the same. */
async function expectEnd(flow: Flow, site: Site, end: End): Promise<void> {
  await site.expect(end);
  if (end !== "gone") {
    await site.ok("plan", "--detailed-exitcode");
    return;
  }
  const writes = await writesOf(site, flow.recovery ?? APPLY);
  if (writes > 0) throw new Error(`the second ${flow.name} made ${writes} writing calls`);
  await site.expect(end);
}
