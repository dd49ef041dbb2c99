import type { etcdKv } from '@bms/contracts';
import { keyBytes, prefixEnd } from '../key-bytes';
import type { Entry, KeyRange } from '../meta-store';

/** In etcd's messages: as an end, "all keys from the start on"; as a start, the first key there can be. */
const ZERO = new Uint8Array([0]);
const NONE = new Uint8Array(0);

/** A range of keys as etcd names it: from `key` up to but not `rangeEnd`; empty, `key` alone. */
export interface EtcdRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export function etcdRange(range: KeyRange): EtcdRange {
  if ('key' in range) return { key: keyBytes(range.key), rangeEnd: NONE };
  const key = keyBytes(range.prefix);
  return { key: key.byteLength === 0 ? ZERO : key, rangeEnd: prefixEnd(key) ?? ZERO };
}

/** The range's first key alone: as cheap a read as there is, and allowed to whoever may read the range. */
export function firstKey({ key }: EtcdRange): EtcdRange {
  return { key, rangeEnd: NONE };
}

/** Copies nothing: the value is a view of the message that it came in. */
export function entryOf(kv: etcdKv.KeyValue): Entry {
  return {
    key: keyOf(kv),
    value: new Uint8Array(kv.value.buffer, kv.value.byteOffset, kv.value.byteLength),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    leaseId: kv.lease,
  };
}

export function keyOf({ key }: etcdKv.KeyValue): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8');
}
