import type { ExecHandle, ExecResult } from "../drivers/driver.ts";
import type { LaneTicket } from "../state/lanes.ts";
import { signalExit } from "../util/signal-exit.ts";

/**
 * Starts the command when its turn comes. One that has to wait can be ended all the same, and has then never begun; its
 * exit code tells the signal, as for any other.
 */
export async function execInTurn(
  ticket: LaneTicket | undefined,
  exec: () => Promise<ExecHandle>,
): Promise<ExecHandle> {
  if (ticket === undefined || ticket.begun) return await exec();
  const waiting = new AbortController();
  let ended: NodeJS.Signals | undefined;
  let begun: ExecHandle | undefined;
  const result = async (): Promise<ExecResult> => {
    const mine = await ticket.turn(waiting.signal);
    if (ended !== undefined || !mine) return { exitCode: signalExit(ended ?? "SIGTERM") };
    begun = await exec();
    if (ended !== undefined) await begun.signal(ended);
    return await begun.result;
  };
  const outcome = result();
  outcome.catch(() => undefined);
  return {
    result: outcome,
    async signal(name) {
      ended = name;
      waiting.abort();
      await begun?.signal(name);
    },
    resize: async (size) => begun?.resize(size),
  };
}
