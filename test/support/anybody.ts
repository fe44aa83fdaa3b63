const NOBODY = 65_534;

/** Until it is disposed, this process may do no more than anybody; where it is not root, that is so already. */
export function asAnybody(): Disposable {
  const root = process.geteuid?.() === 0;
  if (root) {
    process.setegid?.(NOBODY);
    process.seteuid?.(NOBODY);
  }
  return {
    [Symbol.dispose]() {
      if (!root) return;
      process.seteuid?.(0);
      process.setegid?.(0);
    },
  };
}
