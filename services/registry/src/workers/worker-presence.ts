import {
  LeaseNotFoundError,
  OutcomeUnknownError,
  type Compare,
  type Entry,
  type LeaseHold,
  type LeaseId,
  type MetaStore,
  type Revision,
  type Write,
} from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import { reportedFormat, workerFormat, type ReportedRecord, type WorkerRecord } from '../records/values';

/** What one stream of a worker holds in the store. */
export interface Presence {
  readonly record: WorkerRecord;
  readonly hold: LeaseHold;
  /** Of the worker's record: every write of this stream compares it, and so fails once another stream has taken over. */
  readonly modRevision: Revision;
}

/** A newer stream of the worker has taken over. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

export interface WorkerPresenceOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly leaseTtlMs: number;
}

/** How often a take-over is tried while the other stream still writes. */
const ATTEMPTS_MAX = 10;

/**
 * The transactions of a worker's presence: its record and its last report live and die with one lease, which the stream
 * that wrote the record keeps alive.
 */
export class WorkerPresence {
  constructor(private readonly options: WorkerPresenceOptions) {}

  /**
   * Takes the worker's place in the store for the stream that `record.attachment` names: a new lease, the record and, of
   * the same incarnation, what it reported; the report of an earlier incarnation goes. One transaction, after which the
   * stream that had the place can write no more. With `again`, only back into a place of its own: throws
   * {@link FencedError} when another stream has it. `reported` replaces the report that is there.
   */
  async take(
    record: WorkerRecord,
    signal: AbortSignal,
    { again = false, reported }: { readonly again?: boolean; readonly reported?: ReportedRecord | undefined } = {},
  ): Promise<Presence> {
    const { store, keys, leaseTtlMs } = this.options;
    const hold = await store.grantLease(leaseTtlMs, signal);
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const found = await this.entry(keys.worker(record.id), signal);
        const owner = found && workerFormat.decode(found.value, found.key);
        const mine = owner?.attachment === record.attachment;
        if (found !== undefined && mine && found.leaseId === hold.leaseId) {
          return { record, hold, modRevision: found.modRevision };
        }
        if (again && owner !== undefined && !mine) throw new FencedError(`worker ${record.id} has a newer stream`);
        const revision = await this.tryTake(record, hold.leaseId, found, reported, signal);
        if (revision === undefined) continue;
        // What hung on the old lease hangs on the new one now; a lease without keys need not run out.
        if (found !== undefined) await this.revoke(found.leaseId, signal);
        return { record, hold, modRevision: revision };
      }
      throw new FencedError(`worker ${record.id} is being taken over by other streams`);
    } catch (error) {
      hold.release();
      throw error;
    }
  }

  /** Answers undefined when something was written meanwhile, or when the store did not say: look again. */
  private async tryTake(
    record: WorkerRecord,
    leaseId: LeaseId,
    found: Entry | undefined,
    reported: ReportedRecord | undefined,
    signal: AbortSignal,
  ): Promise<Revision | undefined> {
    const { store, keys } = this.options;
    const key = { worker: keys.worker(record.id), reported: keys.reported(record.id) };
    const old = await this.entry(key.reported, signal);
    const compares: Compare[] = [
      { key: key.worker, modRevision: found?.modRevision ?? 0n },
      { key: key.reported, modRevision: old?.modRevision ?? 0n },
    ];
    const writes: Write[] = [{ put: key.worker, value: workerFormat.encode(record), leaseId }];
    if (reported !== undefined) {
      writes.push({ put: key.reported, value: reportedFormat.encode(reported), leaseId });
    } else if (old !== undefined) {
      const same = reportedFormat.decode(old.value, old.key).incarnation === record.incarnation;
      writes.push(same ? { put: key.reported, value: old.value, leaseId } : { delete: key.reported });
    }
    try {
      const commit = await store.commit({ compares, writes }, signal);
      return commit.succeeded ? commit.revision : undefined;
    } catch (error) {
      if (error instanceof OutcomeUnknownError) return undefined;
      throw error;
    }
  }

  /** Changes the worker's record. Throws {@link FencedError}, also when the lease is gone. */
  async update(presence: Presence, record: WorkerRecord, signal: AbortSignal): Promise<Presence> {
    const { keys } = this.options;
    const key = keys.worker(record.id);
    const write = { put: key, value: workerFormat.encode(record), leaseId: presence.hold.leaseId };
    const revision = await this.write(presence, write, signal).catch(async (error: unknown) => {
      if (!(error instanceof OutcomeUnknownError)) throw error;
      const entry = await this.entry(key, signal);
      const written = entry !== undefined && Buffer.compare(entry.value, write.value) === 0;
      if (!written) throw error;
      return entry.modRevision;
    });
    return { ...presence, record, modRevision: revision };
  }

  /** Writes what the worker reports. Throws {@link FencedError}, also when the lease is gone. */
  async report(presence: Presence, reported: ReportedRecord, signal: AbortSignal): Promise<void> {
    const key = this.options.keys.reported(presence.record.id);
    const write = { put: key, value: reportedFormat.encode(reported), leaseId: presence.hold.leaseId };
    await this.write(presence, write, signal);
  }

  /** Ends the lease and with it the worker's place, at once. */
  async leave(presence: Presence, signal: AbortSignal): Promise<void> {
    presence.hold.release();
    await this.revoke(presence.hold.leaseId, signal);
  }

  private async write(presence: Presence, write: Write, signal: AbortSignal): Promise<Revision> {
    const { store, keys } = this.options;
    const { id } = presence.record;
    const compares: Compare[] = [{ key: keys.worker(id), modRevision: presence.modRevision }];
    try {
      const commit = await store.commit({ compares, writes: [write] }, signal);
      if (commit.succeeded) return commit.revision;
    } catch (error) {
      if (!(error instanceof LeaseNotFoundError)) throw error;
    }
    throw new FencedError(`worker ${id} has a newer stream, or its lease is gone`);
  }

  /** A lease that cannot be revoked now runs out by itself. */
  private async revoke(leaseId: LeaseId, signal: AbortSignal): Promise<void> {
    if (leaseId !== 0n) await this.options.store.revokeLease(leaseId, signal).catch(() => undefined);
  }

  private async entry(key: string, signal: AbortSignal): Promise<Entry | undefined> {
    return (await this.options.store.range({ key }, { signal })).entries[0];
  }
}
