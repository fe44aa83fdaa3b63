/** Whether a path, or a folder above it, is one that a glob names; both are absolute, or relative to the same. Dots are plain letters. */
export async function pathMatcher(patterns: readonly string[]): Promise<(path: string) => boolean> {
  const whole = patterns.map((pattern) => pattern.replace(/\/+$/, ""));
  return whole.includes("") ? () => true : await globMatcher(whole);
}

/** The same of paths and globs that begin anywhere, as long as both begin at the same place. */
export async function globMatcher(globs: readonly string[]): Promise<(path: string) => boolean> {
  if (globs.length === 0) return () => false;
  const { default: picomatch } = await import("picomatch");
  return picomatch(
    globs.flatMap((glob) => [glob, `${glob}/**`]),
    // A line break is a character of a name like any other, and must not lead past a pattern.
    { dot: true, nonegate: true, noextglob: true, flags: "s" },
  );
}

/** Whether a name without slashes is one that a glob names. Dots are plain letters. */
export async function nameMatcher(patterns: readonly string[]): Promise<(name: string) => boolean> {
  if (patterns.length === 0) return () => false;
  const { default: picomatch } = await import("picomatch");
  return picomatch([...patterns], { dot: true, nonegate: true, noextglob: true });
}
