/** A position in the store's history. Each committed transaction that writes has one; they only grow. */
export type Revision = bigint;
/** Names a lease. */
export type LeaseId = bigint;

/** A key and what the store knows of it. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** The revision at which the key came into being (again). Fences: "is this still the thing that I made?" */
  readonly createRevision: Revision;
  /** The revision of its last change. */
  readonly modRevision: Revision;
  /** The lease that the key goes with, 0n when none. */
  readonly leaseId: LeaseId;
}

/**
 * Which keys: one, or all that start with a prefix ("": all there are). Keys are valid Unicode, not empty, and at most
 * `KEY_BYTES_MAX` bytes of UTF-8; anything else is a RangeError.
 */
export type KeyRange = { readonly key: string } | { readonly prefix: string };

export interface RangeOptions {
  /**
   * Read the store as it was at this revision; the present one by default. Throws {@link CompactedError}, and RangeError for
   * a revision that has not been.
   */
  readonly revision?: Revision;
  readonly signal?: AbortSignal;
}

export interface RangeResult {
  /** In the order of the keys' bytes. */
  readonly entries: readonly Entry[];
  /** The revision that all entries were read at. */
  readonly revision: Revision;
}

/** A condition of a transaction. A key that does not exist has revisions 0n. */
export type Compare =
  | { readonly key: string; readonly is: 'absent' }
  | { readonly key: string; readonly is: 'present' }
  | { readonly key: string; readonly modRevision: Revision }
  | { readonly key: string; readonly createRevision: Revision };

export type Write =
  | { readonly put: string; readonly value: Uint8Array; readonly leaseId?: LeaseId }
  | { readonly delete: string }
  | { readonly deletePrefix: string };

export interface Transaction {
  /** All must hold, or nothing is written. */
  readonly compares: readonly Compare[];
  /** Each key at most once. At most {@link TRANSACTION_OPERATIONS_MAX} with the compares, {@link TRANSACTION_BYTES_MAX}. */
  readonly writes: readonly Write[];
}

export interface CommitResult {
  /** Whether all compares held, and so the writes are in the store and durable. */
  readonly succeeded: boolean;
  /** The revision of the writes; of the store when nothing was written. */
  readonly revision: Revision;
}

export const TRANSACTION_OPERATIONS_MAX = 128;
export const TRANSACTION_BYTES_MAX = 1_500_000;

export type WatchEvent =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: Revision };

/** Everything that changed at some revisions, never part of a revision. */
export interface WatchBatch {
  /** All changes up to here have been seen; watch on from `revision + 1n`. */
  readonly revision: Revision;
  /** In the order in which they happened; may be empty: nothing has changed up to `revision`. */
  readonly events: readonly WatchEvent[];
}

/** Keeps a lease alive until released. */
export interface LeaseHold {
  readonly leaseId: LeaseId;
  /** What the store granted, in milliseconds. */
  readonly ttlMs: number;
  /**
   * Aborted when the lease can no longer be counted on: the store said so, or the send time of the last
   * acknowledged keep-alive is more than `ttlMs` ago.
   */
  readonly lost: AbortSignal;
  /** Stops keeping it alive and leaves it to run out, so that another may take it over. */
  release(): void;
}

/** The store does not have a revision any more that was asked for; read again at the present one. */
export class CompactedError extends Error {
  override readonly name = 'CompactedError';
  constructor(readonly compactRevision: Revision) {
    super(`the store was compacted at revision ${compactRevision}`);
  }
}

/** The lease does not exist (any more). */
export class LeaseNotFoundError extends Error {
  override readonly name = 'LeaseNotFoundError';
  constructor(readonly leaseId: LeaseId) {
    super(`lease ${leaseId} does not exist`);
  }
}

/**
 * A write was sent and its answer is missing: it may or may not have happened. Never repeated blindly: read
 * back, by a unique id in the value, and decide.
 */
export class OutcomeUnknownError extends Error {
  override readonly name = 'OutcomeUnknownError';
  constructor(options?: ErrorOptions) {
    super('the write was sent, but whether it happened is unknown', options);
  }
}

/** The store cannot be reached or refuses to answer. Nothing was written. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

/** The store cannot be opened as it is told to be: the message is one sentence that says what to change. */
export class StoreOpenError extends Error {
  override readonly name = 'StoreOpenError';
  /** Whether it may open later as it is told to be: nobody answered there, or not as one who could serve. */
  readonly mayHelpToWait: boolean;

  constructor(message: string, options: ErrorOptions & { readonly mayHelpToWait?: boolean } = {}) {
    super(message, options);
    this.mayHelpToWait = options.mayHelpToWait ?? false;
  }
}

/** Which data a store holds, and up to where its history has come. */
export interface StorePoint {
  readonly clusterId: string;
  readonly revision: Revision;
}

/** The store holds other data than before, or has gone back in its history: it was wiped, or restored from a snapshot. */
export class HistoryReplacedError extends Error {
  override readonly name = 'HistoryReplacedError';
  constructor(
    readonly known: StorePoint,
    readonly found: StorePoint,
  ) {
    super(
      known.clusterId !== found.clusterId
        ? `the store holds the data of cluster ${found.clusterId}, not of ${known.clusterId}: it is another one, or was wiped`
        : found.revision < known.revision
          ? `the store has gone back to revision ${found.revision}, it had come to ${known.revision}: it was restored or wiped`
          : `the store lacks the change of revision ${known.revision} that it had, and is at ${found.revision}: it was restored or wiped`,
    );
  }
}

/**
 * The port to what keeps the mesh's metadata. Two implementations pass one contract suite
 * (`contract-suite.ts`): embedded (lmdb, one process) and etcd.
 */
export interface MetaStore {
  /** `embedded` or `etcd`. */
  readonly kind: string;
  /** The identity of the store's data: another one means that it was wiped or is a different store. */
  readonly clusterId: string;

  /** Where it is reached, `host:port` each; none where it lies in this process. */
  readonly endpoints: readonly string[];

  /** Why it cannot be used now, in one sentence; undefined when nothing is known against it. */
  trouble(): string | undefined;

  range(range: KeyRange, options?: RangeOptions): Promise<RangeResult>;

  /**
   * Writes all or nothing. Resolves once the writes are durable.
   * Throws {@link OutcomeUnknownError}, {@link StoreUnavailableError}, {@link LeaseNotFoundError},
   * RangeError when the transaction is over the limits or names a key twice. Aborting `signal` calls it off only
   * before it is sent; after that its outcome is told.
   */
  commit(transaction: Transaction, signal?: AbortSignal): Promise<CommitResult>;

  /**
   * All changes from `fromRevision` on (that one included), without gap or repeat, until `signal` is aborted, which ends
   * the loop without an error, as {@link close} does. Reconnects by itself. Throws {@link CompactedError} when the history
   * that it needs is gone, {@link HistoryReplacedError} when the store has not come to `fromRevision - 1n` or holds other
   * data than when it was opened, RangeError below revision 1n.
   */
  watch(range: KeyRange, fromRevision: Revision, signal: AbortSignal): AsyncIterable<WatchBatch>;

  /** Makes a lease and holds it. The granted TTL may be longer than the wish. */
  grantLease(ttlMs: number, signal?: AbortSignal): Promise<LeaseHold>;
  /** Holds a lease that somebody else made. Throws {@link LeaseNotFoundError}. */
  holdLease(leaseId: LeaseId, signal?: AbortSignal): Promise<LeaseHold>;
  /** Ends a lease and deletes its keys, in one revision. Nothing happens where it does not exist. */
  revokeLease(leaseId: LeaseId, signal?: AbortSignal): Promise<void>;

  /**
   * Forgets the history before `revision`; the present values stay. Nothing happens where it is forgotten already; RangeError
   * for a revision that has not been.
   */
  compact(revision: Revision, signal?: AbortSignal): Promise<void>;

  /** Ends watches and holds (their leases run out) and lets go of the data. */
  close(): Promise<void>;
}
