import type { Allowance } from '../limits';

/** Counts what a peer does more often than it should need to. */
export class TokenBucket {
  private tokens: number;
  private atMs: number;

  constructor(
    private readonly allowance: Allowance,
    nowMs: number,
  ) {
    this.tokens = allowance.capacity;
    this.atMs = nowMs;
  }

  /** Takes one; false when there is none. */
  take(nowMs: number): boolean {
    const { capacity, perSecond } = this.allowance;
    this.tokens = Math.min(capacity, this.tokens + ((nowMs - this.atMs) / 1000) * perSecond);
    this.atMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
