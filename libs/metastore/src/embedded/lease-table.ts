import type { Clock } from '../clock';
import type { LeaseHold, LeaseId } from '../meta-store';

/** When a lease that ran out could not be ended, for want of disk, say, it is tried again after this. */
const RETRY_MS = 1_000;

/** A lease lives as long as somebody in this process holds it, and then until its time has run out. */
interface Lease {
  readonly ttlMs: number;
  readonly holds: Set<AbortController>;
  /** When it runs out; no meaning while held. */
  deadlineMs: number;
  cancelTimer: () => void;
}

/**
 * The times of leases: the tables know that a lease exists, this knows how long it still does. Holding costs nothing, since
 * who keeps a lease alive and who watches over it are one process.
 */
export class LeaseTable {
  private readonly leases = new Map<LeaseId, Lease>();
  private closed = false;

  constructor(
    private readonly clock: Clock,
    /** Ends a lease that has run out, unless {@link isDue} says that it was taken over meanwhile. */
    private readonly expire: (leaseId: LeaseId) => Promise<void>,
  ) {}

  /** A lease that nobody holds yet; its time starts now. */
  add(leaseId: LeaseId, ttlMs: number): void {
    if (this.closed) return;
    const lease: Lease = { ttlMs, holds: new Set(), deadlineMs: 0, cancelTimer: () => undefined };
    this.leases.set(leaseId, lease);
    this.startTime(leaseId, lease, ttlMs);
  }

  /** undefined where the lease does not exist. */
  hold(leaseId: LeaseId): LeaseHold | undefined {
    const lease = this.leases.get(leaseId);
    if (lease === undefined) return undefined;
    const lost = new AbortController();
    lease.holds.add(lost);
    lease.cancelTimer();
    return {
      leaseId,
      ttlMs: lease.ttlMs,
      lost: lost.signal,
      release: () => {
        if (lease.holds.delete(lost) && lease.holds.size === 0) this.startTime(leaseId, lease, lease.ttlMs);
      },
    };
  }

  isDue(leaseId: LeaseId): boolean {
    const lease = this.leases.get(leaseId);
    return lease !== undefined && lease.holds.size === 0 && this.clock.monotonicMs() >= lease.deadlineMs;
  }

  /** The lease is no more. */
  remove(leaseId: LeaseId): void {
    const lease = this.leases.get(leaseId);
    if (lease === undefined) return;
    this.leases.delete(leaseId);
    end(lease);
  }

  /** Ends all holds; the leases themselves stay in the tables. */
  close(): void {
    this.closed = true;
    const leases = [...this.leases.values()];
    this.leases.clear();
    for (const lease of leases) end(lease);
  }

  private startTime(leaseId: LeaseId, lease: Lease, ms: number): void {
    if (this.leases.get(leaseId) !== lease) return;
    lease.deadlineMs = this.clock.monotonicMs() + ms;
    this.setTimer(leaseId, lease, ms);
  }

  private setTimer(leaseId: LeaseId, lease: Lease, ms: number): void {
    lease.cancelTimer = this.clock.setTimer(() => {
      const restMs = lease.deadlineMs - this.clock.monotonicMs();
      if (restMs > 0) return this.setTimer(leaseId, lease, restMs); // timers may fire early
      void this.expire(leaseId).catch(() => {
        if (this.isDue(leaseId)) this.startTime(leaseId, lease, RETRY_MS);
      });
    }, ms);
  }
}

function end(lease: Lease): void {
  lease.cancelTimer();
  const holds = [...lease.holds];
  lease.holds.clear();
  for (const lost of holds) lost.abort();
}
