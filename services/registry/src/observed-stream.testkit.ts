import { MessageQueue } from '@bms/transport';

/** How a stream ended: with an error or, where the other side ended it in order, without. */
export type StreamOutcome = { readonly error: unknown } | { readonly error: undefined };

/** A client's end of a long-lived stream: what came is kept, and a spec can wait for what is to come. */
export class ObservedStream<Request, Response> {
  readonly received: Response[] = [];
  outcome: StreamOutcome | undefined;
  private readonly requests = new MessageQueue<Request>();
  private readonly waiting = new Set<() => void>();
  private readonly aborter = new AbortController();

  constructor(
    open: (requests: AsyncIterable<Request>, signal: AbortSignal) => AsyncIterable<Response>,
    private readonly onReceived: (response: Response) => void,
  ) {
    void this.read(open(this.requests, this.aborter.signal));
  }

  send(request: Request): void {
    this.requests.push(request);
  }

  /** Says that nothing more will be sent. */
  finish(): void {
    this.requests.close();
  }

  /** Breaks the stream off. */
  break(): void {
    this.aborter.abort();
  }

  /** What `check` finds, now or after any of the next responses, or the end. */
  async until<T>(check: () => T | undefined): Promise<T> {
    for (;;) {
      const found = check();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  async ended(): Promise<unknown> {
    return (await this.until(() => this.outcome)).error;
  }

  /** Looks again although nothing came: something else has changed. */
  wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  private async read(responses: AsyncIterable<Response>): Promise<void> {
    try {
      for await (const response of responses) {
        this.received.push(response);
        this.onReceived(response);
        this.wake();
      }
      this.outcome = { error: undefined };
    } catch (error) {
      this.outcome = { error };
    }
    this.requests.close();
    this.wake();
  }
}
