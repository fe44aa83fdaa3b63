/** Whether an absolute path, or a folder above it, is one that a glob names. Dots are plain letters. */
export async function pathMatcher(patterns: readonly string[]): Promise<(path: string) => boolean> {
  if (patterns.length === 0) return () => false;
  const whole = patterns.map((pattern) => pattern.replace(/\/+$/, ""));
  if (whole.includes("")) return () => true;
  const { default: picomatch } = await import("picomatch");
  return picomatch(
    whole.flatMap((pattern) => [pattern, `${pattern}/**`]),
    { dot: true, nonegate: true, noextglob: true },
  );
}
