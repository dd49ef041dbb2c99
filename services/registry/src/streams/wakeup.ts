/**
 * Wakes one loop that looks for work: a wake while it is at work makes the next wait end at once, so that none is lost,
 * and any number of them ends one wait.
 */
export class Wakeup {
  private pending = false;
  private resolve: (() => void) | undefined;

  readonly wake = (): void => {
    this.pending = true;
    this.resolve?.();
  };

  async wait(): Promise<void> {
    if (!this.pending) await new Promise<void>((resolve) => (this.resolve = resolve));
    this.resolve = undefined;
    this.pending = false;
  }

  /** Wakes when `signal` is aborted, until the answer is called. */
  onAbort(signal: AbortSignal): () => void {
    if (signal.aborted) this.wake();
    signal.addEventListener('abort', this.wake, { once: true });
    return () => signal.removeEventListener('abort', this.wake);
  }
}
