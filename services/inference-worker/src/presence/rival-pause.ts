const FIRST_MS = 1_000;
const MAX_MS = 30_000;
/** A place that was held for longer than any rival pauses was no rival's. */
const HELD_MS = 2 * MAX_MS;

/**
 * Two workers that run with one id take the place from each other: each leaves it alone for 1 s, then twice as long each
 * time, at most 30 s, until one of them has held it for a minute.
 */
export class RivalPause {
  private pauseMs = 0;
  private backMs = -Infinity;

  /** The place was taken at `nowMs`: for how long to leave it to the other. */
  takenAt(nowMs: number): number {
    const heldLong = nowMs - this.backMs >= HELD_MS;
    this.pauseMs = heldLong ? FIRST_MS : Math.min(MAX_MS, this.pauseMs * 2);
    this.backMs = nowMs + this.pauseMs;
    return this.pauseMs;
  }
}
