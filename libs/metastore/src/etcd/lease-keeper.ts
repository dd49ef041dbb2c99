import type { etcd } from '@bms/contracts';
import { LinkedAbort, MessageQueue } from '@bms/transport';
import type { Clock } from '../clock';
import { LeaseNotFoundError, StoreUnavailableError, type LeaseHold, type LeaseId } from '../meta-store';
import type { AuthToken } from './auth-token';
import { callFailure } from './call-failure';
import type { HistoryGuard } from './history-guard';
import { KeptLease } from './kept-lease';
import type { Member } from './member';
import type { Members } from './members';
import { pause } from './pause';

export interface LeaseKeeperParts {
  readonly members: Members;
  readonly guard: HistoryGuard;
  readonly token: AuthToken;
  readonly clock: Clock;
}

/** A renewal that was sent and not answered yet; answers come in the order of the requests. */
interface UnderWay {
  readonly leaseId: LeaseId;
  readonly sentMs: number;
}

/** How often it is looked what is due: far more often than leases are. */
const LOOK_MS = 100;
/** A renewal that takes longer is sent again, elsewhere. */
const ANSWER_WITHIN_MS = 2_000;
const RETRY_MS = 100;
/** How long somebody who wants to hold a lease waits for the store. */
const CONFIRM_WITHIN_MS = 5_000;

/** Keeps all leases of a store alive, over one stream. */
export class LeaseKeeper {
  private readonly leases = new Map<LeaseId, KeptLease>();
  private readonly closing = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly parts: LeaseKeeperParts) {}

  /** Holds a lease that was granted by a call sent at `sentMs`. */
  adopt(leaseId: LeaseId, ttlMs: number, sentMs: number): LeaseHold {
    const lease = this.keep(leaseId);
    // Held before it counts as renewed: a grant that comes too late is lost at once, and whoever holds it is told.
    const hold = { ...lease.hold(), ttlMs };
    lease.renewed(sentMs, ttlMs);
    return hold;
  }

  /** Holds a lease that there is already. Throws LeaseNotFoundError, StoreUnavailableError, the signal's reason. */
  async hold(leaseId: LeaseId, signal?: AbortSignal): Promise<LeaseHold> {
    const late = new AbortController();
    const cancel = this.parts.clock.setTimer(
      () => late.abort(new StoreUnavailableError(`etcd did not renew lease ${leaseId} in time`)),
      CONFIRM_WITHIN_MS,
    );
    const abort = new LinkedAbort(signal, late.signal);
    try {
      return await this.keep(leaseId).holdConfirmed(abort.signal);
    } finally {
      cancel();
      abort.unlink();
    }
  }

  /** It was revoked. */
  forget(leaseId: LeaseId): void {
    this.leases.get(leaseId)?.lose(new LeaseNotFoundError(leaseId));
  }

  async close(): Promise<void> {
    const reason = new StoreUnavailableError('the store is closed');
    this.closing.abort(reason);
    for (const lease of [...this.leases.values()]) lease.lose(reason);
    await this.running;
  }

  private keep(leaseId: LeaseId): KeptLease {
    this.closing.signal.throwIfAborted();
    let lease = this.leases.get(leaseId);
    if (lease === undefined) {
      lease = new KeptLease(leaseId, this.parts.clock, (ended) => {
        if (this.leases.get(leaseId) === ended) this.leases.delete(leaseId);
      });
      this.leases.set(leaseId, lease);
    }
    this.running ??= this.run().finally(() => (this.running = undefined));
    return lease;
  }

  /** One stream after the other, as long as there are leases. */
  private async run(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted && this.leases.size > 0) {
      const place = await this.parts.members
        .place(this.parts.clock.monotonicMs() + RETRY_MS, signal)
        .catch(() => undefined);
      if (place !== undefined) await this.stream(place.member, place.leave);
      await pause(this.parts.clock, RETRY_MS, signal);
    }
  }

  /** Renews over one stream until that ends. */
  private async stream(member: Member, leave: AbortSignal): Promise<void> {
    const { members, token } = this.parts;
    const abort = new LinkedAbort(this.closing.signal, leave, member.lost);
    const requests = new MessageQueue<etcd.LeaseKeepAliveRequest>();
    const underWay: UnderWay[] = [];
    for (const lease of this.leases.values()) lease.underWay = false;
    const stale = token.current;
    const sending = this.sendDue(member, requests, underWay, abort);
    try {
      const answers = member.lease.leaseKeepAlive(requests, member.callOptions(undefined, abort.signal));
      for await (const answer of answers) this.onAnswer(answer, underWay.shift());
    } catch (error) {
      if (!abort.signal.aborted) {
        if (callFailure(error).kind === 'token') await token.renew(member.auth, stale).catch(() => undefined);
        else members.failed(member);
      }
    } finally {
      abort.abort();
      requests.close();
      await sending;
      abort.unlink();
    }
  }

  private async sendDue(
    member: Member,
    requests: MessageQueue<etcd.LeaseKeepAliveRequest>,
    underWay: UnderWay[],
    abort: LinkedAbort,
  ): Promise<void> {
    const { clock } = this.parts;
    while (!abort.signal.aborted && this.leases.size > 0) {
      const nowMs = clock.monotonicMs();
      const [oldest] = underWay;
      if (oldest !== undefined && nowMs - oldest.sentMs > ANSWER_WITHIN_MS) {
        member.unanswered();
        break;
      }
      for (const lease of this.leases.values()) {
        if (lease.underWay || lease.dueMs > nowMs) continue;
        lease.underWay = true;
        underWay.push({ leaseId: lease.leaseId, sentMs: nowMs });
        requests.push({ ID: lease.leaseId });
      }
      await pause(clock, LOOK_MS, abort.signal);
    }
    abort.abort();
  }

  private onAnswer({ header, ID: leaseId, TTL: seconds }: etcd.LeaseKeepAliveResponse, request?: UnderWay): void {
    if (request?.leaseId !== leaseId) throw new TypeError(`etcd renewed lease ${leaseId}, which was not asked for`);
    this.parts.guard.observe(header);
    const lease = this.leases.get(leaseId);
    if (lease === undefined) return;
    lease.underWay = false;
    if (seconds > 0n) lease.renewed(request.sentMs, Number(seconds) * 1_000);
    else lease.lose(new LeaseNotFoundError(leaseId));
  }
}
