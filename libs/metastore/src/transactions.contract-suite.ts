import { KEY_BYTES_MAX } from './key-bytes';
import {
  TRANSACTION_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
  type Compare,
  type MetaStore,
  type Write,
} from './meta-store';
import { bytes, contents, get, ownPrefix, present, put, text, together, write } from './store-under-test.testkit';

/** What a store promises of transactions. */
export function describeTransactions(current: () => MetaStore): void {
  let store: MetaStore;
  let p: string;
  beforeEach(() => {
    store = current();
    p = ownPrefix();
  });

  describe('commit', () => {
    it('writes at a new revision and says which', async () => {
      const before = await present(store);
      const { succeeded, revision } = await put(store, `${p}a`, 'one');
      expect(succeeded).toBe(true);
      expect(revision > before).toBe(true);
      expect(await get(store, `${p}a`)).toEqual({
        key: `${p}a`,
        value: bytes('one'),
        createRevision: revision,
        modRevision: revision,
        leaseId: 0n,
      });
    });

    it('gives all writes of a transaction one revision', async () => {
      await put(store, `${p}gone`, 'x');
      const { revision } = await write(
        store,
        { put: `${p}a`, value: bytes('1') },
        { put: `${p}b`, value: bytes('2') },
        { delete: `${p}gone` },
      );
      expect((await get(store, `${p}a`))?.modRevision).toBe(revision);
      expect((await get(store, `${p}b`))?.modRevision).toBe(revision);
      expect(await get(store, `${p}gone`, revision - 1n)).toBeDefined();
      expect(await get(store, `${p}gone`, revision)).toBeUndefined();
    });

    it('keeps the create revision of a key until it is deleted', async () => {
      const first = await put(store, `${p}a`, '1');
      const second = await put(store, `${p}a`, '2');
      expect(await get(store, `${p}a`)).toMatchObject({ createRevision: first.revision, modRevision: second.revision });
      await write(store, { delete: `${p}a` });
      const third = await put(store, `${p}a`, '3');
      expect(await get(store, `${p}a`)).toMatchObject({ createRevision: third.revision, modRevision: third.revision });
    });

    it('takes no revision where nothing was there to delete', async () => {
      const { revision } = await put(store, `${p}a`, '1');
      const nothing = await write(store, { delete: `${p}none` }, { deletePrefix: `${p}none/` });
      expect(nothing).toEqual({ succeeded: true, revision });
    });

    it('deletes all of a prefix, and nothing beside it', async () => {
      for (const key of ['a', 'a/', 'a/1', 'a/ü/2', 'a/\u{10ffff}', 'a0', 'b']) await put(store, p + key, 'x');
      await write(store, { deletePrefix: `${p}a/` }, { put: `${p}c`, value: bytes('x') });
      expect(Object.keys(await contents(store, p))).toEqual(['a', 'a0', 'b', 'c']);
    });

    const revisionOf = async (kind: string): Promise<bigint> => {
      const entry = await get(store, `${p}there`);
      if (kind === 'none') return 0n;
      return (kind === 'mod' ? entry?.modRevision : entry?.createRevision) ?? -1n;
    };
    it.each<[string, (k: string, revision: bigint) => Compare, string, boolean]>([
      ['a missing key is absent', (key) => ({ key: `${key}missing`, is: 'absent' }), 'none', true],
      ['a missing key is present', (key) => ({ key: `${key}missing`, is: 'present' }), 'none', false],
      ['a key is present', (key) => ({ key: `${key}there`, is: 'present' }), 'none', true],
      ['a key is absent', (key) => ({ key: `${key}there`, is: 'absent' }), 'none', false],
      ['a missing key has mod revision 0', (key) => ({ key: `${key}missing`, modRevision: 0n }), 'none', true],
      ['a missing key has create revision 0', (key) => ({ key: `${key}missing`, createRevision: 0n }), 'none', true],
      ['a key has mod revision 0', (key) => ({ key: `${key}there`, modRevision: 0n }), 'none', false],
      ['a key has its mod revision', (key, modRevision) => ({ key: `${key}there`, modRevision }), 'mod', true],
      [
        'a key has its create revision',
        (key, createRevision) => ({ key: `${key}there`, createRevision }),
        'create',
        true,
      ],
      [
        'a key has its create revision as mod',
        (key, modRevision) => ({ key: `${key}there`, modRevision }),
        'create',
        false,
      ],
      [
        'a missing key has some mod revision',
        (key, modRevision) => ({ key: `${key}missing`, modRevision }),
        'mod',
        false,
      ],
    ])('compares: %s', async (_, compare, kind, holds) => {
      await put(store, `${p}there`, '1');
      const { revision } = await put(store, `${p}there`, '2');
      const condition = compare(p, await revisionOf(kind));
      const result = await store.commit({ compares: [condition], writes: [{ put: `${p}new`, value: bytes('x') }] });
      expect(result.succeeded).toBe(holds);
      expect(await present(store)).toBe(result.revision);
      expect(result.revision > revision).toBe(holds);
      expect((await get(store, `${p}new`)) !== undefined).toBe(holds);
    });

    it('writes nothing at all when one of several compares fails', async () => {
      const { revision } = await put(store, `${p}a`, '1');
      const result = await store.commit({
        compares: [
          { key: `${p}a`, is: 'present' },
          { key: `${p}b`, is: 'present' },
          { key: `${p}c`, is: 'absent' },
        ],
        writes: [{ put: `${p}a`, value: bytes('2') }, { delete: `${p}a2` }, { put: `${p}c`, value: bytes('2') }],
      });
      expect(result).toEqual({ succeeded: false, revision });
      expect(await contents(store, p)).toEqual({ a: '1' });
    });

    it('answers compares without writes', async () => {
      const { revision } = await put(store, `${p}a`, '1');
      const holds = await store.commit({ compares: [{ key: `${p}a`, modRevision: revision }], writes: [] });
      expect(holds).toEqual({ succeeded: true, revision });
    });

    it('lets of many that change the same value each win exactly once', async () => {
      await put(store, `${p}count`, '0');
      let conflicts = 0;
      await together(6, async () => {
        for (let done = 0; done < 15; ) {
          const entry = await get(store, `${p}count`);
          if (entry === undefined) throw new Error('the counter is gone');
          const result = await store.commit({
            compares: [{ key: entry.key, modRevision: entry.modRevision }],
            writes: [{ put: entry.key, value: bytes(String(Number(text(entry.value)) + 1)) }],
          });
          if (result.succeeded) done++;
          else conflicts++;
        }
      });
      expect(await contents(store, p)).toEqual({ count: '90' });
      expect(conflicts).toBeGreaterThan(0);
    });

    it('lets one of many make a key', async () => {
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          store.commit({
            compares: [{ key: `${p}a`, is: 'absent' }],
            writes: [{ put: `${p}a`, value: bytes(`${i}`) }],
          }),
        ),
      );
      expect(results.filter(({ succeeded }) => succeeded)).toHaveLength(1);
    });

    it('keeps any bytes, none at all, and many', async () => {
      const values = [
        Uint8Array.from({ length: 256 }, (_, i) => i),
        new Uint8Array(0),
        new Uint8Array(1_400_000).fill(7),
      ];
      for (const [i, value] of values.entries()) await write(store, { put: `${p}${i}`, value });
      for (const [i, value] of values.entries()) {
        expect(Buffer.from((await get(store, `${p}${i}`))?.value ?? []).equals(value)).toBe(true);
      }
    });

    it('gives values that belong to whoever reads them', async () => {
      await put(store, `${p}a`, 'mine');
      (await get(store, `${p}a`))?.value.fill(0);
      expect(await contents(store, p)).toEqual({ a: 'mine' });
    });

    it('writes bytes as they were when it was asked to', async () => {
      const value = bytes('mine');
      const writing = write(store, { put: `${p}a`, value });
      value.fill(0);
      await writing;
      expect(await contents(store, p)).toEqual({ a: 'mine' });
    });

    it('takes as many operations as are allowed, compares included', async () => {
      const compares = Array.from({ length: 28 }, (_, i): Compare => ({ key: `${p}${i}`, is: 'absent' }));
      const writes = Array.from({ length: 100 }, (_, i): Write => ({ put: `${p}${i}`, value: bytes('x') }));
      expect((await store.commit({ compares, writes })).succeeded).toBe(true);
      expect(Object.keys(await contents(store, p))).toHaveLength(100);
      const refused = store.commit({ compares: [...compares, { key: p, is: 'absent' }], writes });
      await expect(refused).rejects.toThrow(RangeError);
      await expect(refused).rejects.toThrow(String(TRANSACTION_OPERATIONS_MAX));
    });

    it('takes as many bytes as are allowed', async () => {
      const key = `${p}large`;
      const value = new Uint8Array(TRANSACTION_BYTES_MAX - bytes(key).byteLength);
      expect((await write(store, { put: key, value })).succeeded).toBe(true);
      const refused = write(store, { put: `${key}!`, value });
      await expect(refused).rejects.toThrow(RangeError);
      await expect(refused).rejects.toThrow(String(TRANSACTION_BYTES_MAX));
    });

    const x = bytes('x');
    it.each<[string, (p: string) => Write[]]>([
      [
        'two puts',
        (a) => [
          { put: `${a}a`, value: x },
          { put: `${a}a`, value: x },
        ],
      ],
      ['a put and a delete', (a) => [{ put: `${a}a`, value: x }, { delete: `${a}a` }]],
      ['a put and a prefix', (a) => [{ put: `${a}a/1`, value: x }, { deletePrefix: `${a}a/` }]],
      ['a prefix and a put', (a) => [{ deletePrefix: `${a}a/` }, { put: `${a}a/1`, value: x }]],
      ['two prefixes', (a) => [{ deletePrefix: `${a}a/b` }, { deletePrefix: `${a}a` }]],
    ])('refuses a key that is written twice: %s', async (_, writes) => {
      await expect(write(store, ...writes(p))).rejects.toThrow(/twice/);
      expect(await contents(store, p)).toEqual({});
    });

    it.each([
      ['empty', ''],
      ['not valid Unicode', '\ud800'],
      ['too long', 'k'.repeat(KEY_BYTES_MAX + 1)],
    ])('refuses a key that is %s', async (_, key) => {
      await expect(put(store, key, 'x')).rejects.toThrow(RangeError);
      await expect(store.range({ key })).rejects.toThrow(RangeError);
      await expect(store.commit({ compares: [{ key, is: 'absent' }], writes: [] })).rejects.toThrow(RangeError);
    });

    it('takes the longest key there may be', async () => {
      const key = p + 'ü'.repeat((KEY_BYTES_MAX - bytes(p).byteLength) / 2);
      await put(store, key, 'x');
      expect((await get(store, key))?.key).toBe(key);
    });

    it('writes nothing for a caller that has given up', async () => {
      const signal = AbortSignal.abort(new Error('gave up'));
      const transaction = { compares: [], writes: [{ put: `${p}a`, value: x }] };
      await expect(store.commit(transaction, signal)).rejects.toThrow('gave up');
      await expect(store.range({ key: `${p}a` }, { signal })).rejects.toThrow('gave up');
      expect(await contents(store, p)).toEqual({});
    });
  });
}
