import { isInRange, keyBytes, prefixEnd } from '../key-bytes';
import {
  CompactedError,
  type Entry,
  type KeyRange,
  type RangeResult,
  type Revision,
  type WatchBatch,
} from '../meta-store';
import { readState, type LmdbTables } from './lmdb-tables';
import { Slab } from './slab';
import { changedKey, changeEvent, decodeEntry, entryBefore, logKey, logKeyRevision } from './record-codec';

/** A batch ends with the revision that reaches one of these, so that a watcher far behind takes it in portions. */
const BATCH_EVENTS = 1_000;
const BATCH_BYTES = 4 * 1_024 * 1_024;
const BATCH_SCANNED = 5_000;

/** The present entries. */
export function readPresent(tables: LmdbTables, range: KeyRange): RangeResult {
  return atLatest(tables, () => ({ entries: presentEntries(tables, range), revision: readState(tables).head }));
}

/** How far the store has come. */
export function readHead(tables: LmdbTables): Revision {
  return atLatest(tables, () => readState(tables).head);
}

/** The entries as they were: the present ones, with every later change undone. */
export function readPast(tables: LmdbTables, range: KeyRange, revision: Revision): RangeResult {
  return atLatest(tables, () => {
    const { head, compactRevision } = readState(tables);
    if (revision < 1n || revision > head) {
      throw new RangeError(`there is no revision ${revision}: the store is at ${head}`);
    }
    if (revision < compactRevision) throw new CompactedError(compactRevision);
    const entries = new Map(presentEntries(tables, range).map((entry) => [entry.key, entry]));
    const undone = new Set<string>();
    for (const { value } of tables.log.getRange({ start: logKey(revision + 1n, 0) })) {
      const key = changedKey(value);
      if (undone.has(key) || !isInRange(key, range)) continue;
      undone.add(key); // the first change after the revision knows what was there at it
      const before = entryBefore(key, value);
      if (before === undefined) entries.delete(key);
      else entries.set(key, before);
    }
    return { entries: inOrder([...entries.values()]), revision };
  });
}

/**
 * What has changed in a range since `from`, that one included; undefined where the store has not come that far. Throws
 * {@link CompactedError}.
 */
export function readChanges(tables: LmdbTables, range: KeyRange, from: Revision): WatchBatch | undefined {
  return atLatest(tables, () => {
    const { head, compactRevision } = readState(tables);
    if (from < compactRevision) throw new CompactedError(compactRevision);
    if (from > head) return undefined;
    const events = [];
    let bytes = 0;
    let scanned = 0;
    let revision = from - 1n;
    for (const { key: place, value } of tables.log.getRange({ start: logKey(from, 0) })) {
      const at = logKeyRevision(place);
      if (at !== revision) {
        const full = events.length >= BATCH_EVENTS || bytes >= BATCH_BYTES || scanned >= BATCH_SCANNED;
        if (full) return { revision, events };
        revision = at;
      }
      scanned++;
      const key = changedKey(value);
      if (!isInRange(key, range)) continue;
      events.push(changeEvent(key, at, value));
      bytes += value.byteLength;
    }
    return { revision: head, events };
  });
}

/** Reads all of it from one and the newest snapshot; what reads must not wait in between. */
function atLatest<T>(tables: LmdbTables, read: () => T): T {
  tables.root.resetReadTxn();
  return read();
}

function presentEntries(tables: LmdbTables, range: KeyRange): Entry[] {
  if ('key' in range) {
    const record = tables.entries.get(keyBytes(range.key));
    return record === undefined ? [] : [decodeEntry(range.key, record)];
  }
  const start = keyBytes(range.prefix);
  const end = prefixEnd(start);
  const bounds = { ...(start.length > 0 ? { start } : {}), ...(end === undefined ? {} : { end }) };
  const slab = new Slab();
  const entries: Entry[] = [];
  for (const { key, value } of tables.entries.getRange(bounds)) {
    entries.push(decodeEntry(Buffer.from(key).toString('utf8'), slab.keep(value)));
  }
  return entries;
}

/** By their bytes: JavaScript's own order of strings differs from it beyond U+FFFF. */
function inOrder(entries: readonly Entry[]): Entry[] {
  return entries
    .map((entry) => ({ bytes: keyBytes(entry.key), entry }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ entry }) => entry);
}
