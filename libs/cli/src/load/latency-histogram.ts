const SMALLEST_MS = 0.01;
/** Each bucket is 2% wider than the one before, so a percentile is at most 2% too high. */
const GROWTH = 1.02;
const LOG_GROWTH = Math.log(GROWTH);
/** Up to some 10 minutes. */
const BUCKETS = 910;

/** Latencies in buckets that grow: recording is cheap, and memory does not grow with their number. */
export class LatencyHistogram {
  private readonly buckets = new Uint32Array(BUCKETS);
  private recorded = 0;
  private largestMs = 0;

  get count(): number {
    return this.recorded;
  }

  /** Exact; NaN when nothing was recorded. */
  get maxMs(): number {
    return this.recorded === 0 ? NaN : this.largestMs;
  }

  record(ms: number): void {
    const bucket = ms <= SMALLEST_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / SMALLEST_MS) / LOG_GROWTH));
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.recorded++;
    this.largestMs = Math.max(this.largestMs, ms);
  }

  /** The latency that `share` (0 to 1) of all were at most, 2% too high at worst; NaN when nothing was recorded. */
  percentileMs(share: number): number {
    if (this.recorded === 0) return NaN;
    const rank = Math.max(1, Math.ceil(share * this.recorded));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.buckets[bucket] ?? 0;
      if (seen >= rank) return Math.min(this.largestMs, SMALLEST_MS * GROWTH ** bucket);
    }
    return this.largestMs;
  }
}
