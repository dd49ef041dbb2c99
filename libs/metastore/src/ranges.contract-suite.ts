import { CompactedError, type MetaStore } from './meta-store';
import { bytes, contents, get, ownPrefix, put, text, write, writeRandomHistory } from './store-under-test.testkit';

/** What a store promises of reading, now and in the past, and of forgetting. */
export function describeRanges(current: () => MetaStore): void {
  let store: MetaStore;
  let p: string;
  beforeEach(() => {
    store = current();
    p = ownPrefix();
  });

  describe('range', () => {
    it('sorts keys by their bytes', async () => {
      const keys = [
        'b',
        'B',
        'ab',
        'a',
        'a/',
        'a\u0001',
        'é',
        'e\u0301',
        'ÿ',
        '模型',
        '\uffee',
        '\u{1f98a}',
        '\u{10ffff}',
        '~',
      ];
      for (const key of keys) await put(store, p + key, 'x');
      const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const { entries, revision } = await store.range({ prefix: p });
      expect(entries.map(({ key }) => key.slice(p.length))).toEqual(sorted);
      for (const key of keys) await write(store, { delete: p + key });
      const before = await store.range({ prefix: p }, { revision });
      expect(before.entries.map(({ key }) => key.slice(p.length))).toEqual(sorted);
    });

    it('tells prefixes, keys and their neighbours apart', async () => {
      for (const key of [
        'a',
        'a/',
        'a/b',
        'a/b/c',
        'a0',
        'aa',
        '\u{10ffff}',
        '\u{10ffff}a',
        '\u007f',
        '\u007fx',
        '\u0080',
      ]) {
        await put(store, p + key, 'x');
      }
      const keys = async (prefix: string): Promise<string[]> =>
        (await store.range({ prefix: p + prefix })).entries.map(({ key }) => key.slice(p.length));
      expect(await keys('a/')).toEqual(['a/', 'a/b', 'a/b/c']);
      expect(await keys('a')).toEqual(['a', 'a/', 'a/b', 'a/b/c', 'a0', 'aa']);
      expect(await keys('\u{10ffff}')).toEqual(['\u{10ffff}', '\u{10ffff}a']);
      expect(await keys('\u007f')).toEqual(['\u007f', '\u007fx']);
      expect(await keys('none')).toEqual([]);
      expect((await store.range({ key: `${p}a` })).entries.map(({ key }) => key)).toEqual([`${p}a`]);
      const all = (await store.range({ prefix: '' })).entries.map(({ key }) => key);
      expect(all).toEqual(expect.arrayContaining([`${p}a`, `${p}\u{10ffff}a`]));
    });

    it('reads all keys at one revision while others write', async () => {
      let writing = true;
      const writer = (async () => {
        for (let i = 0; i < 60; i++) {
          await write(store, { put: `${p}x`, value: bytes(`${i}`) }, { put: `${p}y`, value: bytes(`${i}`) });
        }
        writing = false;
      })();
      let reads = 0;
      while (writing) {
        const { entries, revision } = await store.range({ prefix: p });
        const [x, y] = entries;
        if (x !== undefined && y !== undefined) {
          expect(text(x.value)).toBe(text(y.value));
          expect(x.modRevision <= revision).toBe(true);
        }
        reads++;
        await new Promise(setImmediate);
      }
      await writer;
      expect(reads).toBeGreaterThan(0);
    });

    it('reads the store as it was at each revision of its history', async () => {
      const history = await writeRandomHistory(store, p, 1, 120);
      await write(store, { deletePrefix: p });
      for (const [revision, was] of history) expect(await contents(store, p, revision)).toEqual(was);
    });

    it('gives entries of the past their revisions and leases of then', async () => {
      const first = await put(store, `${p}a`, '1');
      const second = await put(store, `${p}a`, '2');
      await write(store, { delete: `${p}a` });
      await put(store, `${p}a`, '3');
      expect(await get(store, `${p}a`, second.revision)).toEqual({
        key: `${p}a`,
        value: bytes('2'),
        createRevision: first.revision,
        modRevision: second.revision,
        leaseId: 0n,
      });
    });

    it('refuses revisions that have not been, or never can be', async () => {
      const { revision } = await put(store, `${p}a`, '1');
      for (const none of [revision + 1_000_000n, 0n, -1n]) {
        await expect(store.range({ prefix: p }, { revision: none })).rejects.toThrow(RangeError);
      }
    });
  });

  describe('compact', () => {
    it('forgets what was before and nothing else', async () => {
      const first = await put(store, `${p}a`, '1');
      const second = await put(store, `${p}a`, '2');
      const third = await put(store, `${p}b`, '3');
      await store.compact(second.revision);
      const error = await store.range({ prefix: p }, { revision: first.revision }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CompactedError);
      expect(await contents(store, p, second.revision)).toEqual({ a: '2' });
      expect(await contents(store, p, third.revision)).toEqual({ a: '2', b: '3' });
      expect(await contents(store, p)).toEqual({ a: '2', b: '3' });
      expect(await get(store, `${p}a`)).toMatchObject({ createRevision: first.revision });
    });

    it('does nothing the second time, and refuses what is to come', async () => {
      const { revision } = await put(store, `${p}a`, '1');
      await store.compact(revision);
      await store.compact(revision);
      await store.compact(revision - 1n);
      await expect(store.compact(revision + 1_000_000n)).rejects.toThrow(RangeError);
      expect(await contents(store, p)).toEqual({ a: '1' });
    });
  });
}
