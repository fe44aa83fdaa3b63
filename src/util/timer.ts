/** Milliseconds that one timer of node's can wait; it fires a longer one at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
