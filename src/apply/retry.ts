import { hasKind, SandkeepError } from "../errors.ts";
import type { GraphNode } from "../model/plan.ts";
import { LONGEST_TIMER_MS } from "../util/timer.ts";
import type { Wait } from "../util/wait.ts";

const ATTEMPTS = 3;
const PAUSE_MS = 150;

/**
 * Every driver call is one idempotent effect, so a transient failure is simply tried again, a few times.
 * What takes longer than the plan allows has an unknown outcome and is given up.
 */
export async function attempt(
  work: (signal: AbortSignal) => Promise<void>,
  node: GraphNode,
  wait: Wait,
): Promise<void> {
  for (let count = 1; ; count += 1) {
    try {
      return await within(work, node);
    } catch (thrown) {
      const transient = hasKind(thrown, "transient");
      if (!transient || thrown.code === "STEP_TIMEOUT" || count === ATTEMPTS) throw thrown;
      await wait.sleep(PAUSE_MS * count);
    }
  }
}

/** The signal tells work that is given up to end what it started, such as a setup command. */
async function within(work: (signal: AbortSignal) => Promise<void>, node: GraphNode): Promise<void> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => {
        controller.abort();
        reject(
          new SandkeepError(`${node.op} of ${node.address} did not end within ${node.timeout_s} s`, {
            code: "STEP_TIMEOUT",
            kind: "transient",
            blame: "backend",
            hint: "the next apply looks at what is there and goes on from it",
          }),
        );
      },
      Math.min(node.timeout_s * 1000, LONGEST_TIMER_MS),
    );
  });
  try {
    await Promise.race([work(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
