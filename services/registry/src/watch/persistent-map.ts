/** A power of two. With 10,000 entries a bucket has 40, and a change copies one bucket and the list of them. */
const BUCKETS = 256;

type Bucket<K extends string, V> = ReadonlyMap<K, V>;

/** One entry of a map that differs from another map; undefined: it is gone. */
export type MapChange<K extends string, V> = readonly [key: K, value: V | undefined];

/**
 * A map that is never changed: `with` gives another one that shares what stayed the same. So a snapshot of thousands of
 * models is as cheap to replace as one of ten, and two snapshots tell quickly where they differ.
 */
export class PersistentMap<K extends string, V> {
  static empty<K extends string, V>(): PersistentMap<K, V> {
    return new PersistentMap<K, V>(new Array<Bucket<K, V>>(BUCKETS).fill(new Map()), 0);
  }

  static of<K extends string, V>(entries: Iterable<readonly [K, V]>): PersistentMap<K, V> {
    return PersistentMap.empty<K, V>().with(entries);
  }

  private constructor(
    private readonly buckets: readonly Bucket<K, V>[],
    readonly size: number,
  ) {}

  get(key: K): V | undefined {
    return this.buckets[bucketOf(key)]?.get(key);
  }

  has(key: K): boolean {
    return this.buckets[bucketOf(key)]?.has(key) ?? false;
  }

  /** The map itself when nothing of it changes. Entries that are given as undefined are taken out. */
  with(changes: Iterable<MapChange<K, V>>): PersistentMap<K, V> {
    const copied = new Map<number, Map<K, V>>();
    let size = this.size;
    for (const [key, value] of changes) {
      const at = bucketOf(key);
      const present: Bucket<K, V> = copied.get(at) ?? this.buckets[at] ?? new Map<K, V>();
      if (present.get(key) === value && (value !== undefined || !present.has(key))) continue;
      let bucket = copied.get(at);
      if (bucket === undefined) copied.set(at, (bucket = new Map(present)));
      size += (value === undefined ? 0 : 1) - (bucket.has(key) ? 1 : 0);
      if (value === undefined) bucket.delete(key);
      else bucket.set(key, value);
    }
    if (copied.size === 0) return this;
    return new PersistentMap(
      this.buckets.map((bucket, at) => copied.get(at) ?? bucket),
      size,
    );
  }

  /** What has to be done to `older` to get this map; values are compared by identity. */
  *changesFrom(older: PersistentMap<K, V>): IterableIterator<MapChange<K, V>> {
    for (let at = 0; at < BUCKETS; at++) {
      const mine = this.buckets[at];
      const theirs = older.buckets[at];
      if (mine === undefined || theirs === undefined || mine === theirs) continue;
      for (const [key, value] of mine) if (theirs.get(key) !== value) yield [key, value];
      for (const key of theirs.keys()) if (!mine.has(key)) yield [key, undefined];
    }
  }

  *entries(): IterableIterator<readonly [K, V]> {
    for (const bucket of this.buckets) yield* bucket;
  }

  *keys(): IterableIterator<K> {
    for (const bucket of this.buckets) yield* bucket.keys();
  }

  *values(): IterableIterator<V> {
    for (const bucket of this.buckets) yield* bucket.values();
  }
}

/** FNV-1a, 32 bits. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}
