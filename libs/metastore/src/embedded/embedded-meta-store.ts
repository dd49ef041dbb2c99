import { randomBytes } from 'node:crypto';
import { checkRange } from '../key-bytes';
import { checkTransaction } from '../check-transaction';
import {
  HistoryReplacedError,
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
import type { ChangeBell } from './change-bell';
import type { LeaseTable } from './lease-table';
import type { LmdbTables } from './lmdb-tables';
import { readChanges, readHead, readPast, readPresent } from './read-snapshot';
import type { WriteQueue } from './write-queue';

/** A watch that has seen nothing of its range for so many revisions says so, that its user may resume from there. */
const PROGRESS_REVISIONS = 1_000n;

/** What a store is made of; `openEmbeddedStore` puts it together. */
export interface EmbeddedParts {
  readonly clusterId: string;
  readonly tables: LmdbTables;
  readonly queue: WriteQueue;
  readonly leases: LeaseTable;
  readonly bell: ChangeBell;
  /** Lets go of the folder. */
  readonly unlock: () => void;
}

/**
 * The store of a mesh on one machine: a file of lmdb inside the one registry process. What is acknowledged is on disk; its log
 * of changes gives revisions, older reads and watches as etcd does. Leases that are held cost nothing, and those that
 * nobody holds run on monotonic time, from the start again after a reopening.
 */
export class EmbeddedMetaStore implements MetaStore {
  readonly kind = 'embedded';
  readonly endpoints: readonly string[] = [];
  readonly clusterId: string;
  private closing: Promise<void> | undefined;

  /** Use {@link openEmbeddedStore}. */
  constructor(private readonly parts: EmbeddedParts) {
    this.clusterId = parts.clusterId;
  }

  trouble(): undefined {
    return undefined;
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangeResult> {
    checkRange(range);
    options.signal?.throwIfAborted();
    this.requireOpen();
    const { tables } = this.parts;
    return options.revision === undefined ? readPresent(tables, range) : readPast(tables, range, options.revision);
  }

  async commit(transaction: Transaction, signal?: AbortSignal): Promise<CommitResult> {
    checkTransaction(transaction);
    const asked = copyOf(transaction);
    return this.parts.queue.run((writer) => writer.commit(asked), signal);
  }

  async *watch(range: KeyRange, fromRevision: Revision, signal: AbortSignal): AsyncGenerator<WatchBatch, void, void> {
    checkRange(range);
    if (fromRevision < 1n) throw new RangeError(`there is no revision ${fromRevision} to watch from`);
    this.requireOpen();
    this.requireReached(fromRevision - 1n);
    // Each watch reads the log at its own pace: a slow one keeps nothing in memory and holds up nobody.
    let next = fromRevision;
    let told = fromRevision;
    while (!signal.aborted && this.closing === undefined) {
      const batch = readChanges(this.parts.tables, range, next);
      if (batch === undefined) {
        await this.parts.bell.wait(signal);
        continue;
      }
      next = batch.revision + 1n;
      if (batch.events.length === 0 && next - told < PROGRESS_REVISIONS) continue;
      told = next;
      yield batch;
    }
  }

  async grantLease(ttlMs: number, signal?: AbortSignal): Promise<LeaseHold> {
    if (!Number.isFinite(ttlMs) || ttlMs <= 0) throw new RangeError(`ttlMs is ${ttlMs}: more than 0 is allowed`);
    const granted = Math.min(Math.ceil(ttlMs), Number.MAX_SAFE_INTEGER);
    const leaseId = randomLeaseId();
    await this.parts.queue.run(
      (writer) => writer.grantLease(leaseId, granted),
      signal,
      () => this.parts.leases.add(leaseId, granted),
    );
    return this.hold(leaseId);
  }

  async holdLease(leaseId: LeaseId, signal?: AbortSignal): Promise<LeaseHold> {
    signal?.throwIfAborted();
    return this.hold(leaseId);
  }

  async revokeLease(leaseId: LeaseId, signal?: AbortSignal): Promise<void> {
    if (!isLeaseId(leaseId)) return;
    await this.parts.queue.run(
      (writer) => (writer.hasLease(leaseId) ? writer.endLease(leaseId) : undefined),
      signal,
      () => this.parts.leases.remove(leaseId),
    );
  }

  async compact(revision: Revision, signal?: AbortSignal): Promise<void> {
    const done = await this.parts.queue.run((writer) => writer.compact(revision), signal);
    if (!done) throw new RangeError(`cannot compact at revision ${revision}: the store has not come that far`);
  }

  close(): Promise<void> {
    this.closing ??= this.letGo();
    return this.closing;
  }

  private async letGo(): Promise<void> {
    const { queue, leases, bell, tables, unlock } = this.parts;
    leases.close();
    await queue.close();
    bell.ring(); // watches see that the store is closing, and end
    try {
      await tables.root.close();
    } finally {
      unlock();
    }
  }

  private hold(leaseId: LeaseId): LeaseHold {
    this.requireOpen();
    const hold = this.parts.leases.hold(leaseId);
    if (hold === undefined) throw new LeaseNotFoundError(leaseId);
    return hold;
  }

  private requireReached(revision: Revision): void {
    const { clusterId } = this;
    const found = readHead(this.parts.tables);
    if (found < revision) throw new HistoryReplacedError({ clusterId, revision }, { clusterId, revision: found });
  }

  private requireOpen(): void {
    if (this.closing !== undefined) throw new StoreUnavailableError('the store is closed');
  }
}

/** Its turn comes later: until then the caller may do with its buffers what it likes. */
function copyOf({ compares, writes }: Transaction): Transaction {
  return {
    compares: [...compares],
    writes: writes.map((write) => ('put' in write ? { ...write, value: Uint8Array.from(write.value) } : write)),
  };
}

/** 63 bits as etcd's, never 0. */
function randomLeaseId(): LeaseId {
  return (randomBytes(8).readBigUInt64BE() >> 1n) | 1n;
}

function isLeaseId(leaseId: LeaseId): boolean {
  return leaseId > 0n && leaseId < 1n << 63n;
}
