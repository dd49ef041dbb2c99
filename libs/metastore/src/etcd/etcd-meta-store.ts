import { LinkedAbort } from '@bms/transport';
import { checkTransaction, writtenKey } from '../check-transaction';
import type { Clock } from '../clock';
import { checkRange, keyBytes } from '../key-bytes';
import {
  LeaseNotFoundError,
  StoreUnavailableError,
  type CommitResult,
  type KeyRange,
  type LeaseHold,
  type LeaseId,
  type MetaStore,
  type RangeOptions,
  type RangeResult,
  type Revision,
  type Transaction,
  type WatchBatch,
} from '../meta-store';
import type { AuthToken } from './auth-token';
import { EtcdRefusedError } from './call-failure';
import type { HistoryGuard } from './history-guard';
import type { LeaseKeeper } from './lease-keeper';
import type { Members } from './members';
import { RangePages } from './range-pages';
import { refusalSentence } from './refusal-sentence';
import { ResumingWatch } from './resuming-watch';
import { StoreTrouble } from './store-trouble';
import { isEtcdLease, transactionMessage } from './transaction-message';
import type { UnaryCalls } from './unary-calls';

/** What a store is made of; `openEtcdStore` puts it together. */
export interface EtcdParts {
  readonly endpoints: readonly string[];
  readonly clusterId: string;
  readonly members: Members;
  readonly guard: HistoryGuard;
  readonly token: AuthToken;
  readonly calls: UnaryCalls;
  readonly leases: LeaseKeeper;
  readonly clock: Clock;
}

/** etcd counts leases in seconds, as an int64 that it turns into nanoseconds. */
const TTL_SECONDS_MAX = 9_000_000_000;

/**
 * The store of meshes on many machines: one or several etcds, 3.4 or later. Here the port's calls become etcd's. What etcd asks for beyond
 * that is kept in a file each:
 *
 * | rule | kept in |
 * | --- | --- |
 * | a watch resumes behind the last event, or a progress message without events, never from a header's revision | `watch-stream.ts` |
 * | fragments of a batch are joined; a range is read in pages, all at one revision; answers may have 64 MiB | `watch-stream.ts`, `range-pages.ts`, `member.ts` |
 * | what the end of a watch means: compacted, a lost token, refused, or only broken | `resuming-watch.ts` |
 * | a write without an answer is never repeated; only what was not carried out, and reads, are sent again | `unary-calls.ts`, by `call-failure.ts` |
 * | each call has a deadline, and a watch a bound for being set up | `unary-calls.ts`, `resuming-watch.ts` |
 * | PINGs are not sent more often than etcd bears | `member.ts` |
 * | a lease is ours until the send time of its last answered renewal plus what was granted | `kept-lease.ts` |
 * | answers of another cluster, or of an earlier revision, are no answers: the store was replaced | `history-guard.ts`, for each connection `member-check.ts` |
 * | a transaction is checked against the limits before it is sent | `../check-transaction.ts` |
 * | certificates must be for the dialled host; what is wrong with a connection is said in one sentence | `endpoint-diagnosis.ts` |
 */
export class EtcdMetaStore implements MetaStore {
  readonly kind = 'etcd';
  readonly endpoints: readonly string[];
  readonly clusterId: string;
  private readonly pages: RangePages;
  private readonly troubles: StoreTrouble;
  private readonly closing = new AbortController();
  private closed: Promise<void> | undefined;

  /** Use {@link openEtcdStore}. */
  constructor(private readonly parts: EtcdParts) {
    this.endpoints = parts.endpoints;
    this.clusterId = parts.clusterId;
    this.pages = new RangePages(parts.calls, parts.members, parts.guard);
    this.troubles = new StoreTrouble(parts.members, parts.clock);
  }

  trouble(): string | undefined {
    return this.troubles.sentence();
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangeResult> {
    checkRange(range);
    options.signal?.throwIfAborted();
    return this.explained('key' in range ? range.key : range.prefix, () => this.pages.read(range, options));
  }

  async commit(transaction: Transaction, signal?: AbortSignal): Promise<CommitResult> {
    checkTransaction(transaction);
    signal?.throwIfAborted();
    const message = transactionMessage(transaction);
    const lease = transaction.writes.flatMap((write) => ('put' in write ? [write.leaseId ?? 0n] : [])).find(Boolean);
    const answer = await this.explained(
      someKey(transaction),
      () => this.parts.calls.once((member, options) => member.kv.txn(message, options), signal),
      lease,
    );
    const revision = answer.header?.revision ?? 0n;
    const put = transaction.writes.find((write) => 'put' in write);
    if (answer.succeeded && put !== undefined) this.parts.guard.saw({ key: keyBytes(put.put), modRevision: revision });
    return { succeeded: answer.succeeded, revision };
  }

  async *watch(range: KeyRange, fromRevision: Revision, signal: AbortSignal): AsyncGenerator<WatchBatch, void, void> {
    checkRange(range);
    if (fromRevision < 1n) throw new RangeError(`there is no revision ${fromRevision} to watch from`);
    this.requireOpen();
    const abort = new LinkedAbort(signal, this.closing.signal);
    try {
      yield* new ResumingWatch(this.parts, range, fromRevision).batches(abort.signal);
    } finally {
      abort.unlink();
    }
  }

  async grantLease(ttlMs: number, signal?: AbortSignal): Promise<LeaseHold> {
    const seconds = Math.ceil(ttlMs / 1_000);
    if (!(seconds > 0 && seconds <= TTL_SECONDS_MAX)) {
      throw new RangeError(`ttlMs is ${ttlMs}: more than 0, and at most ${TTL_SECONDS_MAX} s, is allowed`);
    }
    signal?.throwIfAborted();
    let sentMs = 0;
    const granted = await this.explained('a lease', () =>
      this.parts.calls.once((member, options) => {
        sentMs = this.parts.clock.monotonicMs();
        return member.lease.leaseGrant({ TTL: BigInt(seconds), ID: 0n }, options);
      }, signal),
    );
    this.requireOpen();
    return this.parts.leases.adopt(granted.ID, Number(granted.TTL) * 1_000, sentMs);
  }

  async holdLease(leaseId: LeaseId, signal?: AbortSignal): Promise<LeaseHold> {
    this.requireOpen();
    signal?.throwIfAborted();
    if (!isEtcdLease(leaseId)) throw new LeaseNotFoundError(leaseId);
    return this.parts.leases.hold(leaseId, signal);
  }

  async revokeLease(leaseId: LeaseId, signal?: AbortSignal): Promise<void> {
    this.requireOpen();
    signal?.throwIfAborted();
    if (!isEtcdLease(leaseId)) return;
    // What is revoked is gone for good, so doing it twice does no harm.
    const revoke = (): Promise<unknown> =>
      this.parts.calls.repeatable((member, options) => member.lease.leaseRevoke({ ID: leaseId }, options), signal);
    await this.explained('a lease', revoke).catch((error: unknown) => {
      if (!EtcdRefusedError.is((error as Error).cause, 'lease-not-found')) throw error;
    });
    this.parts.leases.forget(leaseId);
  }

  async compact(revision: Revision, signal?: AbortSignal): Promise<void> {
    this.requireOpen();
    signal?.throwIfAborted();
    const compact = (): Promise<unknown> =>
      this.parts.calls.repeatable(
        (member, options) => member.kv.compact({ revision, physical: false }, options),
        signal,
      );
    await this.explained('the history', compact).catch((error: unknown) => {
      const { cause } = error as Error;
      if (EtcdRefusedError.is(cause, 'compacted')) return; // as far, or farther
      if (!EtcdRefusedError.is(cause, 'future-revision')) throw error;
      throw new RangeError(`cannot compact at revision ${revision}: the store has not come that far`);
    });
  }

  close(): Promise<void> {
    this.closed ??= this.letGo();
    return this.closed;
  }

  private async letGo(): Promise<void> {
    const { calls, leases, members } = this.parts;
    this.closing.abort(new StoreUnavailableError('the store is closed'));
    members.close();
    await Promise.all([calls.close(), leases.close()]);
    members.disconnect();
  }

  /** Turns what etcd refuses into the port's errors; what it refuses otherwise is the cause of a StoreUnavailableError. */
  private async explained<T>(what: string, run: () => Promise<T>, leaseId?: LeaseId): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof EtcdRefusedError)) throw error;
      if (error.refusal === 'lease-not-found' && leaseId !== undefined) throw new LeaseNotFoundError(leaseId);
      const user = this.parts.token.userName;
      throw new StoreUnavailableError(refusalSentence(error.refusal, error.message, { user, what }), { cause: error });
    }
  }

  private requireOpen(): void {
    this.closing.signal.throwIfAborted();
  }
}

/** Stands for all of a transaction where etcd refuses it as a whole. */
function someKey({ compares, writes }: Transaction): string {
  const [write] = writes;
  return write === undefined ? (compares[0]?.key ?? '') : writtenKey(write);
}
