import type { KeyRange } from './meta-store';

/** The longest key, in bytes of UTF-8: lmdb's limit is 1,978, and lease tables put 8 more in front. */
export const KEY_BYTES_MAX = 1_024;

/** A key as the store orders it: UTF-8. */
export function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'utf8');
}

/** The first key behind all that start with `prefix`; undefined where there is none, as for the empty prefix. */
export function prefixEnd(prefix: Uint8Array): Buffer | undefined {
  const end = Buffer.from(prefix);
  for (let last = end.length - 1; last >= 0; last--) {
    const byte = end[last] ?? 0xff;
    if (byte < 0xff) {
      end[last] = byte + 1;
      return end.subarray(0, last + 1);
    }
  }
  return undefined;
}

export function isInRange(key: string, range: KeyRange): boolean {
  // Well-formed strings have a common prefix exactly when their UTF-8 has.
  return 'key' in range ? key === range.key : key.startsWith(range.prefix);
}

/** Throws RangeError where a key is empty, too long, or no valid Unicode (two such keys could have the same bytes). */
export function checkKey(key: string): void {
  if (key === '') throw new RangeError('a key must not be empty');
  checkPrefix(key);
}

/** As {@link checkKey}, for what keys start with; the empty prefix means all keys. */
export function checkPrefix(prefix: string): void {
  if (/\p{Surrogate}/u.test(prefix)) throw new RangeError(`the key ${JSON.stringify(prefix)} is not valid Unicode`);
  const bytes = Buffer.byteLength(prefix, 'utf8');
  if (bytes > KEY_BYTES_MAX) throw new RangeError(`a key has ${bytes} bytes: at most ${KEY_BYTES_MAX} are allowed`);
}

export function checkRange(range: KeyRange): void {
  if ('key' in range) checkKey(range.key);
  else checkPrefix(range.prefix);
}
