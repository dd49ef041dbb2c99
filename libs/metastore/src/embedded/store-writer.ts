import { keyBytes, prefixEnd } from '../key-bytes';
import {
  LeaseNotFoundError,
  type CommitResult,
  type Compare,
  type Entry,
  type LeaseId,
  type Revision,
  type Transaction,
  type Write,
} from '../meta-store';
import { readState, writeState, type LmdbTables } from './lmdb-tables';
import {
  decodeEntry,
  encodeChange,
  encodeEntry,
  leaseKey,
  leaseMember,
  leaseMemberKey,
  logKey,
  logKeyRevision,
  type StoreState,
} from './record-codec';

/** How much history is kept. */
export interface HistoryLimits {
  readonly revisions: number;
  readonly bytes: number;
}

/** So many changes at once are taken into memory to be forgotten. */
const FORGET_PORTION = 100;
const MEMBER = Buffer.from([1]);

/**
 * Changes the tables inside one lmdb transaction. Each method either throws before its first write or does all of
 * its work, so that others in the same batch are not touched by a refusal.
 */
export class StoreWriter {
  private readonly start: StoreState;
  private state: StoreState;
  private changesInRevision = 0;

  constructor(private readonly tables: LmdbTables) {
    this.start = readState(tables);
    this.state = this.start;
  }

  commit({ compares, writes }: Transaction): CommitResult {
    if (!compares.every((compare) => this.holds(compare))) return { succeeded: false, revision: this.state.head };
    for (const write of writes) {
      if ('put' in write && write.leaseId !== undefined && write.leaseId !== 0n) this.requireLease(write.leaseId);
    }
    this.inOneRevision((revision) => {
      for (const write of writes) this.write(write, revision);
    });
    return { succeeded: true, revision: this.state.head };
  }

  hasLease(leaseId: LeaseId): boolean {
    return this.tables.leases.get(leaseKey(leaseId)) !== undefined;
  }

  grantLease(leaseId: LeaseId, ttlMs: number): void {
    const ttl = Buffer.allocUnsafe(8);
    ttl.writeBigUInt64BE(BigInt(ttlMs));
    void this.tables.leases.put(leaseKey(leaseId), ttl);
    this.touch();
  }

  /** Ends a lease and deletes its keys, in one revision; no revision where it has none. */
  endLease(leaseId: LeaseId): void {
    const start = leaseKey(leaseId);
    const end = prefixEnd(start);
    const members = [...this.tables.leaseMembers.getKeys(end === undefined ? { start } : { start, end })].map(
      leaseMember,
    );
    this.inOneRevision((revision) => {
      for (const key of members) this.delete(key, revision);
    });
    void this.tables.leases.remove(start);
    this.touch();
  }

  /** Forgets the history before `revision`; false where the store has not come that far. */
  compact(revision: Revision): boolean {
    if (revision > this.state.head) return false;
    this.forgetBefore(revision);
    return true;
  }

  /** Keeps the history within its limits and writes down what has become of the store. */
  finish(limits: HistoryLimits): void {
    if (this.state === this.start) return;
    this.forgetBefore(this.state.head - BigInt(limits.revisions) + 1n);
    while (this.state.logBytes > limits.bytes && this.state.compactRevision < this.state.head) {
      const [oldest] = this.tables.log.getKeys({ limit: 1 });
      if (oldest === undefined) break;
      this.forgetBefore(logKeyRevision(oldest) + 1n);
    }
    writeState(this.tables, this.state);
  }

  private holds(compare: Compare): boolean {
    const entry = this.entry(compare.key);
    if ('is' in compare) return (entry !== undefined) === (compare.is === 'present');
    if ('modRevision' in compare) return (entry?.modRevision ?? 0n) === compare.modRevision;
    return (entry?.createRevision ?? 0n) === compare.createRevision;
  }

  private requireLease(leaseId: LeaseId): void {
    if (leaseId < 0n || leaseId >= 1n << 63n || !this.hasLease(leaseId)) throw new LeaseNotFoundError(leaseId);
  }

  /** Runs writes at the next revision, which comes into being with the first change. */
  private inOneRevision(write: (revision: Revision) => void): void {
    this.changesInRevision = 0;
    const revision = this.state.head + 1n;
    write(revision);
    if (this.changesInRevision > 0) this.state = { ...this.state, head: revision, batch: this.start.batch + 1n };
  }

  /** Something else than a revision has changed. */
  private touch(): void {
    this.state = { ...this.state, batch: this.start.batch + 1n };
  }

  private write(write: Write, revision: Revision): void {
    if ('put' in write) this.put(write.put, write.value, write.leaseId ?? 0n, revision);
    else if ('delete' in write) this.delete(write.delete, revision);
    else {
      const start = keyBytes(write.deletePrefix);
      const end = prefixEnd(start);
      const range = { ...(start.length > 0 ? { start } : {}), ...(end === undefined ? {} : { end }) };
      const keys = [...this.tables.entries.getKeys(range)].map((key) => Buffer.from(key).toString('utf8'));
      for (const key of keys) this.delete(key, revision);
    }
  }

  private put(key: string, value: Uint8Array, leaseId: LeaseId, revision: Revision): void {
    const before = this.entry(key);
    const createRevision = before?.createRevision ?? revision;
    const after: Entry = { key, value, createRevision, modRevision: revision, leaseId };
    this.record(revision, before, after);
    void this.tables.entries.put(keyBytes(key), encodeEntry(after));
    if (leaseId !== 0n) void this.tables.leaseMembers.put(leaseMemberKey(leaseId, key), MEMBER);
  }

  private delete(key: string, revision: Revision): void {
    const before = this.entry(key);
    if (before === undefined) return;
    this.record(revision, before, undefined);
    void this.tables.entries.remove(keyBytes(key));
  }

  private record(revision: Revision, before: Entry | undefined, after: Entry | undefined): void {
    const key = (after ?? before)?.key ?? '';
    if (before !== undefined && before.leaseId !== 0n && before.leaseId !== after?.leaseId) {
      void this.tables.leaseMembers.remove(leaseMemberKey(before.leaseId, key));
    }
    const change = encodeChange({ key, before, after });
    void this.tables.log.put(logKey(revision, this.changesInRevision++), change);
    this.state = { ...this.state, logBytes: this.state.logBytes + change.byteLength };
  }

  private entry(key: string): Entry | undefined {
    const record = this.tables.entries.get(keyBytes(key));
    return record === undefined ? undefined : decodeEntry(key, record);
  }

  private forgetBefore(revision: Revision): void {
    if (revision <= this.state.compactRevision) return;
    let { logBytes } = this.state;
    const portion = { end: logKey(revision, 0), limit: FORGET_PORTION };
    for (let forgotten = [...this.tables.log.getRange(portion)]; forgotten.length > 0; ) {
      for (const { key, value } of forgotten) {
        logBytes -= value.byteLength;
        void this.tables.log.remove(key);
      }
      forgotten = [...this.tables.log.getRange(portion)];
    }
    this.state = { ...this.state, compactRevision: revision, logBytes, batch: this.start.batch + 1n };
  }
}
