/** One slow engine must not hold up the others for longer than this. */
const PATIENCE_MS = 60_000;

/** What an engine is said to have done that took longer. */
export const LATE = {
  kind: "unreachable",
  message: `no answer within ${PATIENCE_MS / 1000} s`,
  hint: "look at the engine's load and the network to it",
} as const;

/** The answer, or undefined when it takes too long; what comes later is let go. */
export async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
