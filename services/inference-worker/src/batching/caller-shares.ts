/** What a caller got. */
interface Share {
  /** Of the device's time, as far as that is known; from what the least served had when it came. */
  served: number;
  /** Requests of it that wait. */
  waiting: number;
}

/**
 * How much each caller with waiting requests was served of late, so that they take turns. Start-time fair queueing: who comes
 * anew begins where the one stands who was served last, and so has neither saved anything up nor to catch up.
 */
export class CallerShares {
  private readonly shares = new Map<string, Share>();
  private now = 0;

  served(caller: string): number {
    return this.shares.get(caller)?.served ?? this.now;
  }

  /** A request of the caller waits. */
  enter(caller: string): void {
    const share = this.shares.get(caller);
    if (share === undefined) this.shares.set(caller, { served: this.now, waiting: 1 });
    else share.waiting++;
  }

  /** A request of the caller waits no more. */
  leave(caller: string): void {
    const share = this.shares.get(caller);
    if (share !== undefined && --share.waiting === 0) this.shares.delete(caller);
  }

  /** A request of the caller is served, while it still waits. */
  serve(caller: string, cost: number): void {
    const share = this.shares.get(caller);
    if (share === undefined) return;
    this.now = share.served;
    share.served += cost;
  }
}
