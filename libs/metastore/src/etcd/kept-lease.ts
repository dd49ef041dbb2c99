import type { Clock } from '../clock';
import type { LeaseHold, LeaseId } from '../meta-store';

interface Waiter {
  /** Only an answer to what was sent from then on counts. */
  readonly sinceMs: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** How much of a lease's time passes before it is renewed. */
const RENEWED_AFTER = 1 / 3;

/**
 * One lease that is kept alive, for all who hold it. It is ours until the send time of the last acknowledged renewal (or
 * of the grant) plus what was granted: the server counts from later on, so it never lets go before.
 */
export class KeptLease {
  ttlMs = 0;
  /** When the next renewal is to be sent. */
  dueMs: number;
  /** A renewal is under way; there is never a second one. */
  underWay = false;
  private validUntilMs = 0;
  private readonly holders = new Set<AbortController>();
  private readonly waiters = new Set<Waiter>();
  private cancelExpiry: () => void = () => {};

  constructor(
    readonly leaseId: LeaseId,
    private readonly clock: Clock,
    /** Called when nobody needs it any more, or it is lost. */
    private readonly onEnd: (lease: KeptLease) => void,
  ) {
    this.dueMs = clock.monotonicMs();
  }

  /** Counts from when the renewal was sent. */
  renewed(sentMs: number, ttlMs: number): void {
    this.ttlMs = ttlMs;
    this.validUntilMs = sentMs + ttlMs;
    this.dueMs = sentMs + ttlMs * RENEWED_AFTER;
    for (const waiter of this.waiters) {
      if (waiter.sinceMs > sentMs) {
        this.dueMs = this.clock.monotonicMs();
        continue;
      }
      waiter.resolve();
    }
    this.expectExpiry();
  }

  /** Another holder. */
  hold(): LeaseHold {
    const lost = new AbortController();
    this.holders.add(lost);
    const release = (): void => {
      this.holders.delete(lost);
      this.endIfUnneeded();
    };
    return { leaseId: this.leaseId, ttlMs: this.ttlMs, lost: lost.signal, release };
  }

  /**
   * Another holder, once a renewal that is sent from now on is acknowledged. Throws what {@link lose} is given, and the
   * signal's reason.
   */
  async holdConfirmed(signal: AbortSignal): Promise<LeaseHold> {
    let waiter: Waiter | undefined;
    const onAbort = (): void => waiter?.reject(signal.reason);
    try {
      await new Promise<void>((resolve, reject) => {
        signal.throwIfAborted();
        this.dueMs = this.clock.monotonicMs();
        waiter = { sinceMs: this.dueMs, resolve, reject };
        this.waiters.add(waiter);
        signal.addEventListener('abort', onAbort, { once: true });
      });
      return this.hold();
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (waiter !== undefined) this.waiters.delete(waiter);
      this.endIfUnneeded();
    }
  }

  /** It cannot be counted on any more. */
  lose(reason: unknown): void {
    this.cancelExpiry();
    const [holders, waiters] = [[...this.holders], [...this.waiters]];
    this.holders.clear();
    this.waiters.clear();
    this.onEnd(this);
    for (const waiter of waiters) waiter.reject(reason);
    for (const holder of holders) holder.abort(reason);
  }

  private endIfUnneeded(): void {
    if (this.holders.size > 0 || this.waiters.size > 0) return;
    this.cancelExpiry();
    this.onEnd(this);
  }

  private expectExpiry(): void {
    this.cancelExpiry();
    const leftMs = this.validUntilMs - this.clock.monotonicMs();
    if (leftMs <= 0) return this.lose(new Error(`lease ${this.leaseId} was not renewed in time`));
    this.cancelExpiry = this.clock.setTimer(() => this.expectExpiry(), leftMs);
  }
}
