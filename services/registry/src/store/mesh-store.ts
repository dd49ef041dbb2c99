import {
  HistoryReplacedError,
  StoreUnavailableError,
  type Compare,
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
} from '@bms/metastore';
import type { BmsError } from '@bms/contracts';

export interface MeshStoreOptions {
  /** Opens the store anew, to find what it holds now; undefined where nobody can replace it while it is open. */
  readonly reopen: ((signal: AbortSignal) => Promise<MetaStore>) | undefined;
  /** Why nothing may be read or written for the mesh now. */
  readonly refusal: () => BmsError | undefined;
  /** Told that the store seems to hold another history than it did. */
  readonly onSuspicion: () => void;
}

/**
 * The store as the mesh's parts use it. While the store is in doubt, it refuses; and every transaction also compares who the
 * mesh is, so that nothing is ever written to a store that was wiped a moment ago or belongs to another mesh.
 */
export class MeshStore implements MetaStore {
  private identity: readonly Compare[] = [];

  constructor(
    private store: MetaStore,
    private readonly options: MeshStoreOptions,
  ) {}

  get kind(): string {
    return this.store.kind;
  }

  get clusterId(): string {
    return this.store.clusterId;
  }

  get endpoints(): readonly string[] {
    return this.store.endpoints;
  }

  /** The store itself: for those who find out whether it can be trusted. */
  get raw(): MetaStore {
    return this.store;
  }

  trouble(): string | undefined {
    return this.store.trouble();
  }

  /** From now on all transactions hold only where the mesh's record is the one made at this revision. */
  bind(meshKey: string, createRevision: Revision): void {
    this.identity = [{ key: meshKey, createRevision }];
  }

  /** Lets go of the connection and makes another: whatever the store holds now is found. What was held there is lost. */
  async reopen(signal: AbortSignal): Promise<void> {
    const { reopen } = this.options;
    if (reopen === undefined) return;
    const before = this.store;
    this.store = await reopen(signal);
    await before.close();
  }

  range(range: KeyRange, options?: RangeOptions): Promise<RangeResult> {
    return this.guarded(() => this.store.range(range, options));
  }

  async commit(transaction: Transaction, signal?: AbortSignal): Promise<CommitResult> {
    const compares = [...this.identity, ...transaction.compares];
    return this.guarded(() => this.store.commit({ ...transaction, compares }, signal));
  }

  watch(range: KeyRange, fromRevision: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.store.watch(range, fromRevision, signal);
  }

  grantLease(ttlMs: number, signal?: AbortSignal): Promise<LeaseHold> {
    return this.guarded(() => this.store.grantLease(ttlMs, signal));
  }

  holdLease(leaseId: LeaseId, signal?: AbortSignal): Promise<LeaseHold> {
    return this.guarded(() => this.store.holdLease(leaseId, signal));
  }

  revokeLease(leaseId: LeaseId, signal?: AbortSignal): Promise<void> {
    return this.guarded(() => this.store.revokeLease(leaseId, signal));
  }

  compact(revision: Revision, signal?: AbortSignal): Promise<void> {
    return this.guarded(() => this.store.compact(revision, signal));
  }

  close(): Promise<void> {
    return this.store.close();
  }

  private async guarded<T>(call: () => Promise<T>): Promise<T> {
    const refusal = this.options.refusal();
    if (refusal !== undefined) throw refusal;
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof HistoryReplacedError)) throw error;
      this.options.onSuspicion();
      throw new StoreUnavailableError(error.message, { cause: error });
    }
  }
}
