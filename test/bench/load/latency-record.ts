/** Percentiles of durations, in microseconds. */
export interface Latencies {
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** Keeps every duration: no bucket rounds a tail. */
export class LatencyRecord {
  private values = new Float64Array(1 << 16);
  private count = 0;

  add(us: number): void {
    if (this.count === this.values.length) {
      const wider = new Float64Array(this.values.length * 2);
      wider.set(this.values);
      this.values = wider;
    }
    this.values[this.count++] = us;
  }

  summary(): Latencies {
    const sorted = this.values.slice(0, this.count).sort();
    const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
    return { count: this.count, p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999), maxUs: at(1) };
  }
}
