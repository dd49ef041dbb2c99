import type { Clock } from './clock';

interface Waiting {
  readonly dueMs: number;
  readonly resolve: () => void;
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  private readonly waiting = new Set<Waiting>();

  constructor(private nowMs = 1_000_000) {}

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs;
  }

  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const givenUp = (): void => {
        this.waiting.delete(entry);
        resolve();
      };
      const entry: Waiting = {
        dueMs: this.nowMs + ms,
        resolve: () => {
          signal?.removeEventListener('abort', givenUp);
          resolve();
        },
      };
      this.waiting.add(entry);
      signal?.addEventListener('abort', givenUp, { once: true });
    });
  }

  /** How many wait now. */
  get sleepers(): number {
    return this.waiting.size;
  }

  /** Moves time on, waking whoever is due on the way, and lets what they do settle. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = [...this.waiting].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.waiting.delete(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.resolve();
      await settled();
    }
    this.nowMs = endMs;
    await settled();
  }
}

/** Lets promises and immediates that are due run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
