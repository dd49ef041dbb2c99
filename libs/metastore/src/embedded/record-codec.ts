import type { Entry, LeaseId, Revision, WatchEvent } from '../meta-store';
import { keyBytes } from '../key-bytes';

// Numbers are big-endian, so that the bytes of a table's keys sort as the numbers do.

/**
 * One change as the log keeps it: what the key was before (so that older revisions can be read by undoing) and what it
 * is since. Absent means that the key did not exist.
 */
export interface Change {
  readonly key: string;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

/** What the store knows of itself; written with every batch of transactions. */
export interface StoreState {
  readonly head: Revision;
  /** The oldest revision that can still be read. */
  readonly compactRevision: Revision;
  /** What the values of the log add up to. */
  readonly logBytes: number;
  /** Counts committed batches: tells whether a batch that failed is in the store. */
  readonly batch: bigint;
}

const ENTRY_HEADER_BYTES = 24;
const LOG_KEY_BYTES = 12;
const CHANGE_HEADER_BYTES = 8;
const ABSENT = 0xffffffff;

/** An entry without its key, which is the table's. */
export function encodeEntry(entry: Entry): Buffer {
  const record = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + entry.value.byteLength);
  record.writeBigUInt64BE(entry.createRevision, 0);
  record.writeBigUInt64BE(entry.modRevision, 8);
  record.writeBigUInt64BE(entry.leaseId, 16);
  record.set(entry.value, ENTRY_HEADER_BYTES);
  return record;
}

/** The entry's value is a part of the record, which must be nobody else's. */
export function decodeEntry(key: string, record: Buffer): Entry {
  return {
    key,
    value: new Uint8Array(
      record.buffer,
      record.byteOffset + ENTRY_HEADER_BYTES,
      record.byteLength - ENTRY_HEADER_BYTES,
    ),
    createRevision: record.readBigUInt64BE(0),
    modRevision: record.readBigUInt64BE(8),
    leaseId: record.readBigUInt64BE(16),
  };
}

/** A change's place in the log: its revision, then its place among that revision's changes. */
export function logKey(revision: Revision, index: number): Buffer {
  const key = Buffer.allocUnsafe(LOG_KEY_BYTES);
  key.writeBigUInt64BE(revision, 0);
  key.writeUInt32BE(index, 8);
  return key;
}

export function logKeyRevision(key: Uint8Array): Revision {
  return asBuffer(key).readBigUInt64BE(0);
}

/** Lengths of key and former entry, both, the present entry. */
export function encodeChange({ key, before, after }: Change): Buffer {
  const name = keyBytes(key);
  const former = before === undefined ? undefined : encodeEntry(before);
  const header = Buffer.allocUnsafe(CHANGE_HEADER_BYTES);
  header.writeUInt32BE(name.byteLength, 0);
  header.writeUInt32BE(former?.byteLength ?? ABSENT, 4);
  const present = after === undefined ? [] : [encodeEntry(after)];
  return Buffer.concat([header, name, ...(former === undefined ? [] : [former]), ...present]);
}

/** The key alone: most readers want few keys, and values are large. */
export function changedKey(record: Buffer): string {
  return record.toString('utf8', CHANGE_HEADER_BYTES, CHANGE_HEADER_BYTES + record.readUInt32BE(0));
}

export function entryBefore(key: string, record: Buffer): Entry | undefined {
  const start = CHANGE_HEADER_BYTES + record.readUInt32BE(0);
  const length = record.readUInt32BE(4);
  return length === ABSENT ? undefined : decodeEntry(key, record.subarray(start, start + length));
}

/** The change as watchers see it. */
export function changeEvent(key: string, revision: Revision, record: Buffer): WatchEvent {
  const formerBytes = record.readUInt32BE(4);
  const start = CHANGE_HEADER_BYTES + record.readUInt32BE(0) + (formerBytes === ABSENT ? 0 : formerBytes);
  if (start === record.byteLength) return { kind: 'delete', key, modRevision: revision };
  return { kind: 'put', entry: decodeEntry(key, record.subarray(start)) };
}

export function encodeState(state: StoreState): Buffer {
  const record = Buffer.allocUnsafe(32);
  record.writeBigUInt64BE(state.head, 0);
  record.writeBigUInt64BE(state.compactRevision, 8);
  record.writeBigUInt64BE(BigInt(state.logBytes), 16);
  record.writeBigUInt64BE(state.batch, 24);
  return record;
}

export function decodeState(record: Buffer): StoreState {
  return {
    head: record.readBigUInt64BE(0),
    compactRevision: record.readBigUInt64BE(8),
    logBytes: Number(record.readBigUInt64BE(16)),
    batch: record.readBigUInt64BE(24),
  };
}

/** A lease's own key, and the start of the keys that tell what goes with it. */
export function leaseKey(leaseId: LeaseId): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeBigUInt64BE(leaseId);
  return key;
}

export function leaseKeyId(key: Uint8Array): LeaseId {
  return asBuffer(key).readBigUInt64BE(0);
}

/** Says that `key` goes with the lease. */
export function leaseMemberKey(leaseId: LeaseId, key: string): Buffer {
  return Buffer.concat([leaseKey(leaseId), keyBytes(key)]);
}

export function leaseMember(memberKey: Uint8Array): string {
  return asBuffer(memberKey).toString('utf8', 8);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
