/** How much of a worker's cache stays. */
export interface CacheBounds {
  /** Milliseconds since the last use. */
  readonly max_age?: number;
  /** Bytes. */
  readonly max_size?: number;
}
