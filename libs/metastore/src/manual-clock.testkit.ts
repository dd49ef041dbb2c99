import type { Clock } from './clock';

/** A clock for tests: its time passes when told. */
export class ManualClock implements Clock {
  private now = 0;
  private readonly timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();

  monotonicMs(): number {
    return this.now;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { dueMs: this.now + delayMs, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Lets time pass and runs what falls due, in order, at its time. */
  advance(ms: number): void {
    const untilMs = this.now + ms;
    for (let next = this.nextDue(untilMs); next !== undefined; next = this.nextDue(untilMs)) {
      this.timers.delete(next);
      this.now = Math.max(this.now, next.dueMs);
      next.callback();
    }
    this.now = untilMs;
  }

  /** How many timers are set. */
  get pending(): number {
    return this.timers.size;
  }

  private nextDue(untilMs: number): { readonly dueMs: number; readonly callback: () => void } | undefined {
    return [...this.timers].filter((timer) => timer.dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
  }
}
