import type { Clock } from './clock';

/** An alarm: calls `action` at the earliest time that was asked for, and forgets the later ones: whoever acts asks again. */
export class WakeUp {
  private dueMs = Infinity;
  private waiting = new AbortController();

  constructor(
    private readonly clock: Clock,
    private readonly action: () => void,
  ) {}

  cancel(): void {
    this.waiting.abort();
    this.dueMs = Infinity;
  }

  /** @param ms from now; Infinity asks for nothing */
  within(ms: number): void {
    const dueMs = this.clock.monotonic() + ms;
    if (dueMs >= this.dueMs) return;
    this.waiting.abort();
    const waiting = (this.waiting = new AbortController());
    this.dueMs = dueMs;
    void this.clock.wait(ms, waiting.signal).then(() => {
      if (waiting.signal.aborted) return;
      this.dueMs = Infinity;
      this.action();
    });
  }
}
