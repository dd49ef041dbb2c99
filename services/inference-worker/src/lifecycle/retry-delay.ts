const FIRST_MS = 5_000;
const MAX_MS = 5 * 60_000;

/** How long a version that failed to load rests before the next try: 5 s, twice as long after each failure, at most 5 min. */
export function retryDelayMs(failures: number): number {
  return Math.min(MAX_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
}
