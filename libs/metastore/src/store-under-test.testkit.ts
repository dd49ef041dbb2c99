import { randomUUID } from 'node:crypto';
import type { CommitResult, Entry, KeyRange, MetaStore, Revision, WatchBatch, WatchEvent, Write } from './meta-store';

/** A store and what the contract suite needs to do to it from outside. */
export interface StoreUnderTest {
  readonly store: MetaStore;
  /** A TTL that the store grants as it is wished. */
  readonly ttlMs: number;
  /** Lets time pass for leases; resolves when those that have run out by then are ended. */
  elapse(ms: number): Promise<void>;
  /** Closes the store and opens the same data again; the old object is of no use any more. */
  reopen(): Promise<MetaStore>;
  /** The answer to the next commit gets lost after the store has carried it out. */
  loseNextAnswer(): void;
  dispose(): Promise<void>;
}

/** Keeps what a test writes apart from all others', where they share a store. */
export function ownPrefix(): string {
  return `/contract/${randomUUID()}/`;
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

export function put(store: MetaStore, key: string, value: string, leaseId = 0n): Promise<CommitResult> {
  return store.commit({ compares: [], writes: [{ put: key, value: bytes(value), leaseId }] });
}

export function write(store: MetaStore, ...writes: Write[]): Promise<CommitResult> {
  return store.commit({ compares: [], writes });
}

export async function get(store: MetaStore, key: string, revision?: Revision): Promise<Entry | undefined> {
  const { entries } = await store.range({ key }, revision === undefined ? {} : { revision });
  return entries[0];
}

export async function present(store: MetaStore): Promise<Revision> {
  return (await store.range({ key: '/contract/none' })).revision;
}

/** Keys and values, without what revisions they have. */
export async function contents(store: MetaStore, prefix: string, revision?: Revision): Promise<Record<string, string>> {
  const { entries } = await store.range({ prefix }, revision === undefined ? {} : { revision });
  return Object.fromEntries(entries.map(({ key, value }) => [key.slice(prefix.length), text(value)]));
}

/** Does `run` for `count` writers at once. */
export async function together(count: number, run: (writer: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, writer) => run(writer)));
}

/** Follows a watch and remembers all of it. */
export class WatchRecorder {
  readonly batches: WatchBatch[] = [];
  /** Resolves when the watch ends; rejects with what it throws. */
  readonly ended: Promise<void>;
  private readonly abort = new AbortController();
  private readonly news = new Set<() => void>();

  constructor(store: MetaStore, range: KeyRange, from: Revision) {
    this.ended = this.follow(store.watch(range, from, this.abort.signal));
    this.ended.catch(() => undefined);
  }

  get events(): readonly WatchEvent[] {
    return this.batches.flatMap(({ events }) => events);
  }

  /** Waits until so many events have come; fails when the watch ends before. */
  async until(count: number): Promise<readonly WatchEvent[]> {
    while (this.events.length < count) {
      const more = new Promise<void>((resolve) => this.news.add(resolve));
      const over = this.ended.then(() => {
        throw new Error(`the watch ended after ${this.events.length} of ${count} events`);
      });
      await Promise.race([more, over]);
    }
    return this.events;
  }

  async stop(): Promise<void> {
    this.abort.abort();
    await this.ended;
  }

  private async follow(watch: AsyncIterable<WatchBatch>): Promise<void> {
    for await (const batch of watch) {
      this.batches.push(batch);
      for (const wake of this.news) wake();
      this.news.clear();
    }
  }
}

/** What a watch promises of its batches: revisions grow, none is split, each event belongs to its batch. */
export function expectWholeRevisions(batches: readonly WatchBatch[], from: Revision): void {
  let seen = from - 1n;
  for (const { revision, events } of batches) {
    let last = seen + 1n;
    for (const event of events) {
      const at = revisionOf(event);
      expect(at >= last && at <= revision).toBe(true);
      last = at;
    }
    expect(revision > seen).toBe(true);
    seen = revision;
  }
}

export function revisionOf(event: WatchEvent): Revision {
  return event.kind === 'put' ? event.entry.modRevision : event.modRevision;
}

export function keyOf(event: WatchEvent): string {
  return event.kind === 'put' ? event.entry.key : event.key;
}

/** `+key=value` for a put, `-key` for a delete. */
export function shown(event: WatchEvent, prefix: string): string {
  const key = keyOf(event).slice(prefix.length);
  return event.kind === 'put' ? `+${key}=${text(event.entry.value)}` : `-${key}`;
}

/** Random numbers that are the same in each run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A history of random puts, deletes and prefix deletes over few keys, and what was there after each of its revisions. */
export async function writeRandomHistory(
  store: MetaStore,
  prefix: string,
  seed: number,
  length: number,
): Promise<Map<Revision, Record<string, string>>> {
  const random = seededRandom(seed);
  const pick = (limit: number): number => Math.floor(random() * limit);
  const history = new Map<Revision, Record<string, string>>();
  const model = new Map<string, string>();
  for (let step = 0; step < length; step++) {
    const writes: Write[] = [];
    if (random() < 0.05) {
      const group = `${pick(4)}/`;
      writes.push({ deletePrefix: prefix + group });
      for (const key of [...model.keys()]) if (key.startsWith(group)) model.delete(key);
    } else {
      const keys = new Set(Array.from({ length: 1 + pick(3) }, () => `${pick(4)}/${pick(4)}`));
      for (const key of keys) {
        const gone = random() < 0.3;
        writes.push(gone ? { delete: prefix + key } : { put: prefix + key, value: bytes(`${step}`) });
        if (gone) model.delete(key);
        else model.set(key, `${step}`);
      }
    }
    const { revision } = await write(store, ...writes);
    history.set(revision, Object.fromEntries([...model].sort(([a], [b]) => (a < b ? -1 : 1))));
  }
  return history;
}
