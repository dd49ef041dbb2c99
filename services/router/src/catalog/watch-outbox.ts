import type { routeService } from '@bms/contracts';

type Request = routeService.WatchRoutesRequest;

/**
 * What the router has to say on a route watch: hello, then the latest acknowledgement and the latest totals. What a slow
 * registry has not taken yet is replaced, so that nothing piles up.
 */
export class WatchOutbox implements AsyncIterable<Request> {
  private revision: bigint | undefined;
  private totalsDue = false;
  private closed = false;
  private wake: (() => void) | undefined;

  constructor(
    private readonly hello: routeService.RouterHello,
    private readonly totals: () => routeService.RouterTotals,
  ) {}

  acknowledge(revision: bigint): void {
    this.revision = revision;
    this.wake?.();
  }

  sendTotals(): void {
    this.totalsDue = true;
    this.wake?.();
  }

  close(): void {
    this.closed = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Request> {
    yield { kind: { $case: 'hello', value: this.hello } };
    while (!this.closed) {
      const { revision } = this;
      if (revision !== undefined) {
        this.revision = undefined;
        yield { kind: { $case: 'acknowledgement', value: { revision } } };
      } else if (this.totalsDue) {
        this.totalsDue = false;
        yield { kind: { $case: 'totals', value: this.totals() } };
      } else {
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
    }
  }
}
