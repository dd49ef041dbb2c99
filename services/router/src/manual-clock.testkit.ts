import type { Clock } from './clock';

interface Timer {
  readonly dueMs: number;
  readonly action: () => void;
}

/** A clock that stands still until a spec moves it. */
export class ManualClock implements Clock {
  private readonly timers = new Set<Timer>();
  private elapsedMs = 0;

  constructor(private readonly epochMs = 1_700_000_000_000) {}

  nowMs(): number {
    return this.epochMs + this.elapsedMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: this.elapsedMs + delayMs, action };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Moves time on; what is due runs in order, each at its own time, and what awaits it runs before the next. */
  async advance(ms: number): Promise<void> {
    const endMs = this.elapsedMs + ms;
    for (;;) {
      await settle();
      const next = [...this.timers].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.timers.delete(next);
      this.elapsedMs = Math.max(this.elapsedMs, next.dueMs);
      next.action();
    }
    this.elapsedMs = endMs;
    await settle();
  }
}

/** Lets everything run that waits for promises only. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
