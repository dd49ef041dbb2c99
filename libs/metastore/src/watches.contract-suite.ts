import { CompactedError, HistoryReplacedError, type MetaStore, type WatchBatch } from './meta-store';
import {
  bytes,
  contents,
  expectWholeRevisions,
  keyOf,
  ownPrefix,
  present,
  put,
  revisionOf,
  shown,
  text,
  together,
  WatchRecorder,
  write,
  writeRandomHistory,
} from './store-under-test.testkit';

/** What a store promises of watches. */
export function describeWatches(current: () => MetaStore): void {
  let store: MetaStore;
  let p: string;
  const watches: WatchRecorder[] = [];
  beforeEach(() => {
    store = current();
    p = ownPrefix();
  });
  afterEach(async () => {
    for (const watch of watches.splice(0)) await watch.stop().catch(() => undefined);
  });
  const record = (prefix: string, from: bigint): WatchRecorder => {
    const watch = new WatchRecorder(store, { prefix }, from);
    watches.push(watch);
    return watch;
  };

  it('tells all that has changed since a revision of the past, that one included', async () => {
    await put(store, `${p}a`, '1');
    const { revision } = await put(store, `${p}a`, '2');
    await write(store, { put: `${p}b`, value: bytes('3') }, { delete: `${p}a` });
    await put(store, `${p}a`, '4');
    const watch = record(p, revision);
    expect((await watch.until(4)).map((event) => shown(event, p))).toEqual(['+a=2', '+b=3', '-a', '+a=4']);
    expectWholeRevisions(watch.batches, revision);
  });

  it('goes over from the past to what happens now, without gap or repeat, while many write', async () => {
    const from = (await present(store)) + 1n;
    const revisions: bigint[] = [];
    const writer = async (name: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const value = bytes(`${i}`);
        const { revision } = await write(
          store,
          { put: `${p}${name}/a`, value },
          { put: `${p}${name}/b`, value },
          { put: `${p}${name}/c`, value },
        );
        revisions.push(revision);
      }
    };
    await together(2, writer);
    const late = (name: number): Promise<void> => writer(name + 10);
    const writing = together(3, late);
    const watch = record(p, from);
    await writing;
    await watch.until(5 * 40 * 3);
    expectWholeRevisions(watch.batches, from);
    const seen = watch.events.map(revisionOf);
    const expected = revisions.sort((a, b) => (a < b ? -1 : 1)).flatMap((revision) => [revision, revision, revision]);
    expect(seen).toEqual(expected);
  });

  it('gives each of several watches its own range and start', async () => {
    const { revision } = await put(store, `${p}a/1`, 'x');
    const all = record(p, revision);
    const a = record(`${p}a/`, revision + 1n);
    const key = new WatchRecorder(store, { key: `${p}a` }, revision);
    watches.push(key);
    await write(
      store,
      { put: `${p}a`, value: bytes('1') },
      { put: `${p}a/2`, value: bytes('2') },
      { put: `${p}ab`, value: bytes('3') },
    );
    await write(store, { delete: `${p}a` });
    const shows = async (watch: WatchRecorder, count: number): Promise<string[]> =>
      (await watch.until(count)).map((event) => shown(event, p));
    expect(await shows(all, 5)).toEqual(['+a/1=x', '+a=1', '+a/2=2', '+ab=3', '-a']);
    expect(await shows(a, 1)).toEqual(['+a/2=2']);
    expect(await shows(key, 2)).toEqual(['+a=1', '-a']);
  });

  it('says at which revision a key came into being again', async () => {
    const first = await put(store, `${p}a`, '1');
    const second = await write(store, { delete: `${p}a` });
    const third = await put(store, `${p}a`, '2');
    const [, gone, again] = await record(p, first.revision).until(3);
    expect(gone).toEqual({ kind: 'delete', key: `${p}a`, modRevision: second.revision });
    expect(again).toMatchObject({ entry: { createRevision: third.revision, modRevision: third.revision } });
  });

  it('can be resumed behind any batch', async () => {
    const from = (await present(store)) + 1n;
    const writing = (async () => {
      for (let i = 0; i < 60; i++) await put(store, `${p}a`, `${i}`);
    })();
    const seen: string[] = [];
    for (let next = from; seen.length < 60; ) {
      const abort = new AbortController();
      for await (const batch of store.watch({ prefix: p }, next, abort.signal)) {
        seen.push(...batch.events.map((event) => shown(event, p)));
        next = batch.revision + 1n;
        abort.abort();
      }
    }
    await writing;
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => `+a=${i}`));
  });

  it('waits for the revision that is to come, and leaves out what is before it', async () => {
    await put(store, `${p}a`, '1');
    const now = await present(store);
    const watch = record(p, now + 1n);
    for (const value of ['2', '3']) await put(store, `${p}a`, value);
    expect((await watch.until(2)).map((event) => shown(event, p))).toEqual(['+a=2', '+a=3']);
    expectWholeRevisions(watch.batches, now + 1n);
  });

  it('says so where the store has not come to the revision before its start: its history was replaced', async () => {
    const now = await present(store);
    const error = await record(p, now + 2n).ended.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HistoryReplacedError);
    expect(error).toMatchObject({ known: { revision: now + 1n }, found: { revision: now } });
  });

  it('lets a reader be as slow as it likes', async () => {
    const from = (await present(store)) + 1n;
    const abort = new AbortController();
    const watch = store.watch({ prefix: p }, from, abort.signal)[Symbol.asyncIterator]();
    await put(store, `${p}k`, 'first');
    const batches: WatchBatch[] = [];
    const take = async (): Promise<void> => {
      const next = await watch.next();
      if (next.done !== true) batches.push(next.value);
    };
    await take();
    await together(10, async (writer) => {
      for (let i = 0; i < 100; i++) await put(store, `${p}${writer}`, `${i}`);
    });
    while (batches.flatMap(({ events }) => events).length < 1_001) await take();
    abort.abort();
    expectWholeRevisions(batches, from);
    const events = batches.flatMap((batch) => batch.events);
    for (let writer = 0; writer < 10; writer++) {
      const values = events.flatMap((event) =>
        event.kind === 'put' && event.entry.key === `${p}${writer}` ? [Number(text(event.entry.value))] : [],
      );
      expect(values).toEqual(Array.from({ length: 100 }, (_, i) => i));
    }
  });

  it('tells of large values, however many lie behind', async () => {
    const from = (await present(store)) + 1n;
    for (let i = 0; i < 7; i++) await write(store, { put: `${p}${i}`, value: new Uint8Array(1_000_000).fill(i) });
    const watch = record(p, from);
    const events = await watch.until(7);
    expect(events.map((event) => (event.kind === 'put' ? event.entry.value[999_999] : -1))).toEqual([
      0, 1, 2, 3, 4, 5, 6,
    ]);
    expectWholeRevisions(watch.batches, from);
  });

  it('never splits a revision, however many keys it has', async () => {
    const from = (await present(store)) + 1n;
    for (let i = 0; i < 20; i++) {
      await write(store, ...Array.from({ length: 120 }, (_, k) => ({ put: `${p}${i}/${k}`, value: bytes('x') })));
    }
    const { revision } = await write(store, { deletePrefix: p });
    const watch = record(p, from);
    await watch.until(4_800);
    expectWholeRevisions(watch.batches, from);
    const together = watch.batches.filter(({ events }) => events.some((event) => revisionOf(event) === revision));
    expect(together).toHaveLength(1);
    expect(watch.events.filter(({ kind }) => kind === 'delete')).toHaveLength(2_400);
  });

  it('tells the whole story: replayed, it ends at what is there', async () => {
    const from = (await present(store)) + 1n;
    const history = await writeRandomHistory(store, p, 2, 150);
    const { revision } = await put(store, `${p}end`, 'end');
    const watch = record(p, from);
    while (watch.batches.every((batch) => batch.revision < revision)) await watch.until(watch.events.length + 1);
    const replayed = new Map<string, string>();
    for (const event of watch.events) {
      if (event.kind === 'put') replayed.set(event.entry.key.slice(p.length), text(event.entry.value));
      else replayed.delete(keyOf(event).slice(p.length));
    }
    expect(history.size).toBeGreaterThan(100);
    expect(Object.fromEntries(replayed)).toEqual(await contents(store, p));
  });

  it('ends without an error when it is called off, while it waits and before it starts', async () => {
    const from = (await present(store)) + 1n;
    const waiting = record(p, from);
    await put(store, `${p}a`, '1');
    await waiting.until(1);
    await waiting.stop();
    for await (const batch of store.watch({ prefix: p }, from, AbortSignal.abort())) {
      throw new Error(`a watch that was called off told of revision ${batch.revision}`);
    }
  });

  it('says that its history is gone, with the revision, and leaves other watches alone', async () => {
    const first = await put(store, `${p}a`, '1');
    const other = record(p, first.revision);
    await other.until(1);
    await put(store, `${p}a`, '2');
    const last = await put(store, `${p}a`, '3');
    await other.until(3);
    await store.compact(last.revision);
    const error = await record(p, first.revision).ended.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CompactedError);
    expect((error as CompactedError).compactRevision).toBe(last.revision);
    const again = record(p, last.revision + 1n);
    await put(store, `${p}a`, '4');
    expect((await again.until(1)).map((event) => shown(event, p))).toEqual(['+a=4']);
    await other.until(4);
  });

  it.each([0n, -1n])('refuses to start at revision %s', async (from) => {
    await expect(record(p, from).ended).rejects.toThrow(RangeError);
  });
}
