import { setTimeout as sleep } from "node:timers/promises";
import type { DriverDeps } from "../driver.ts";
import type { Engine } from "./client.ts";
import { HAND_OVER, WAITS, exportsOf } from "./command-secrets.ts";
import { OWN_EXEC } from "./execs.ts";
import { handIn } from "./hand-in.ts";
import type { Container } from "./wire-container.ts";
import { readTop } from "./wire.ts";

/**
 * True while the main program waits for its secrets, as it does again after every start. Undefined when the engine cannot
 * list processes.
 */
export async function waits(engine: Engine, { Id }: Pick<Container, "Id">): Promise<boolean | undefined> {
  try {
    const { Processes } = await engine.reads.add(() =>
      engine.json(
        {
          what: "list a container's processes",
          method: "GET",
          path: `/containers/${Id}/top`,
          query: engine.dialect.processes,
        },
        readTop,
      ),
    );
    // The init above it has the same words in its own argv.
    return Processes.some((row) => {
      const argv = row.at(-1) ?? "";
      return argv.startsWith("sh -c ") && argv.includes(WAITS);
    });
  } catch {
    return undefined;
  }
}

export async function deliver(
  engine: Engine,
  deps: DriverDeps,
  objectId: string,
  secrets: Readonly<Record<string, string>>,
): Promise<void> {
  const argv = ["sh", "-c", HAND_OVER, OWN_EXEC];
  const whole = { objectId, whose: "the main program", argv, needs: NEEDS, exitCode: 5 };
  await handIn(engine, deps, whole, exportsOf(secrets));
  await becomesProgram(engine, objectId);
}

const NEEDS = "sh, cat, mkdir, mv, rm, rmdir and sleep";
const PROGRAM_POLL_MS = 50;
const PROGRAM_POLLS = 200;

/** The shell says that it took them a moment before it is the program; until then it looks as if it still waited. */
async function becomesProgram(engine: Engine, objectId: string): Promise<void> {
  for (let poll = 0; poll < PROGRAM_POLLS; poll += 1) {
    if ((await waits(engine, { Id: objectId })) !== true) return;
    await sleep(PROGRAM_POLL_MS);
  }
}
