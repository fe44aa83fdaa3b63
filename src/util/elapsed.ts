/**
 * Milliseconds from any fixed point; never jumps. `performance.now()` tells the same, but first loads a dozen modules of
 * Node's own, which a short command would wait for.
 */
export function elapsed(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
