/** Any text as one file name, never hidden, `.` or `..`; `decodeFileName` is its inverse. */
export function encodeFileName(text: string): string {
  return encodeURIComponent(text).replace(/^\./, "%2E");
}

/** Undefined for names that `encodeFileName` never makes: such files are not ours. */
export function decodeFileName(name: string): string | undefined {
  try {
    const text = decodeURIComponent(name);
    return encodeFileName(text) === name ? text : undefined;
  } catch {
    return undefined;
  }
}
