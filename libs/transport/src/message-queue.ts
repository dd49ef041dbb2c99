/**
 * An unbounded queue between something that pushes and one loop that reads: the requests of a long-lived
 * stream. What is pushed after `close` is dropped.
 */
export class MessageQueue<T> implements AsyncIterable<T> {
  private readonly waiting: T[] = [];
  private wake: (() => void) | undefined;
  private closed = false;

  push(message: T): void {
    if (this.closed) return;
    this.waiting.push(message);
    this.wake?.();
  }

  /** Ends the loop once what was pushed has been read. */
  close(): void {
    this.closed = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      const next = this.waiting.shift();
      if (next !== undefined) {
        yield next;
      } else if (this.closed) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = undefined;
      }
    }
  }
}
