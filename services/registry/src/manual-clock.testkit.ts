import type { Clock } from './clock';

interface Timer {
  readonly dueMs: number;
  readonly action: () => void;
}

/** A clock that stands still until a spec moves it. */
export class ManualClock implements Clock {
  private readonly timers = new Set<Timer>();

  constructor(private timeMs = 1_700_000_000_000) {}

  nowMs(): number {
    return this.timeMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: this.timeMs + delayMs, action };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Moves time on; what is due runs in order, at its own time. */
  advance(ms: number): void {
    const endMs = this.timeMs + ms;
    for (;;) {
      const next = [...this.timers].filter((timer) => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.timers.delete(next);
      this.timeMs = Math.max(this.timeMs, next.dueMs);
      next.action();
    }
    this.timeMs = endMs;
  }

  get pendingTimers(): number {
    return this.timers.size;
  }
}
