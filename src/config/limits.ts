/** What a config may cost to read. Each is far above any fleet and far below what hurts the machine. */
export const LIMITS = {
  depth: 64,
  fileBytes: 16 * 1024 * 1024,
  totalBytes: 64 * 1024 * 1024,
  keysPerFile: 1_000_000,
  /** Linux refuses a longer argument or environment value (MAX_ARG_STRLEN). */
  textLength: 131_071,
  files: 20_000,
  includeDepth: 16,
  /** Nobody reads more, and explaining each one costs. */
  diagnostics: 1_000,
} as const;
