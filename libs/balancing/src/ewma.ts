/** A sample's weight falls to 1/e after this long. */
const AVERAGE_MS = 1_000;
/** After a silence of this long, what is known counts for 1/e: who was slow once is tried again. */
const FORGET_MS = 5_000;

/**
 * A moving average over time instead of over samples, so that it follows a change as fast at ten calls a second as at
 * ten thousand. While nothing is observed, it sinks towards 0.
 */
export class Ewma {
  private value: number | undefined;
  private observedAtMs = 0;

  constructor(
    private readonly averageMs = AVERAGE_MS,
    private readonly forgetMs = FORGET_MS,
  ) {}

  observe(sample: number, nowMs: number): void {
    const keep = Math.exp(-Math.max(0, nowMs - this.observedAtMs) / this.averageMs);
    this.value = this.value === undefined ? sample : this.value * keep + sample * (1 - keep);
    this.observedAtMs = nowMs;
  }

  /**
   * Takes a lower bound, such as the time that a call had waited when it was given up: it can raise an average, but not make
   * one, since it may be far too low.
   */
  observeAtLeast(bound: number, nowMs: number): void {
    const average = this.read(nowMs);
    if (average !== undefined && bound > average) this.observe(bound, nowMs);
  }

  /** The average; undefined before the first sample. */
  read(nowMs: number): number | undefined {
    if (this.value === undefined) return undefined;
    return this.value * Math.exp(-Math.max(0, nowMs - this.observedAtMs) / this.forgetMs);
  }
}
