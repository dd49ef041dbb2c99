import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '@bms/transport/testkit';
import { Etcd3 } from 'etcd3';
import { OutcomeUnknownError, StoreUnavailableError } from '../meta-store';
import { bytes, contents, get, ownPrefix, put, text } from '../store-under-test.testkit';
import type { EtcdMetaStore } from './etcd-meta-store';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcd, type EtcdProcess } from './testkit/etcd-process';
import { answersTransaction } from './testkit/transaction-answer';

jest.setTimeout(60_000);

/** Resolves once the store says that something is wrong. What is sent before may have gone out on a connection that was dead already. */
async function noticed(store: EtcdMetaStore): Promise<void> {
  while (store.trouble() === undefined) await sleep(20);
}

describeWithEtcd('a call to etcd', () => {
  let etcd: EtcdProcess;
  let proxy: FaultProxy;
  let store: EtcdMetaStore;
  let p: string;
  beforeEach(async () => {
    etcd = await startEtcd();
    proxy = await FaultProxy.start(etcd.endpoint);
    store = await openEtcdStore({ endpoints: [proxy.address] });
    p = ownPrefix();
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
    await etcd.dispose();
  });

  it('never reports a transaction wrongly whose answer was dropped, and carries none out twice', async () => {
    const witness = new Etcd3({ hosts: `http://${etcd.endpoint}` });
    let reportedWrongly = 0;
    for (let round = 0; round < 10; round++) {
      const id = randomUUID();
      const key = `${p}${round}`;
      proxy.judge((direction, chunk) => {
        if (direction === 'to-server' || !answersTransaction(chunk)) return 'pass';
        proxy.judge(() => 'pass');
        return 'cut';
      });
      const outcome = await store
        .commit({ compares: [{ key, is: 'absent' }], writes: [{ put: key, value: bytes(id) }] })
        .catch((error: unknown) => error);
      if (!(outcome instanceof OutcomeUnknownError)) reportedWrongly += 1;
      const entry = await get(store, key);
      if (entry === undefined || text(entry.value) !== id || entry.createRevision !== entry.modRevision)
        reportedWrongly += 1;
      expect((await witness.get(key).exec()).kvs[0]?.version).toBe('1');
    }
    witness.close();
    expect(reportedWrongly).toBe(0);
  });

  it('knows of a transaction that was never sent that nothing was written', async () => {
    proxy.refuse();
    await noticed(store);
    await expect(put(store, `${p}a`, '1')).rejects.toThrow(StoreUnavailableError);
    expect(store.trouble()).toMatch(/no etcd answers at 127\.0\.0\.1:\d+/);
    proxy.admit();
    await put(store, `${p}b`, '1');
    expect(await contents(store, p)).toEqual({ b: '1' });
    expect(store.trouble()).toBeUndefined();
  });

  it('waits for an etcd that comes back in time', async () => {
    await etcd.kill();
    await noticed(store);
    const reading = contents(store, p);
    const writing = put(store, `${p}a`, '1');
    await etcd.start();
    expect(['', 'a']).toContain(Object.keys(await reading).join()); // before the write or behind it
    expect((await writing).succeeded).toBe(true);
  });

  it('ends in time when etcd stands still, and says of a write that its outcome is not known', async () => {
    etcd.stop();
    const startedMs = performance.now();
    const [read, written] = await Promise.allSettled([contents(store, p), put(store, `${p}a`, '1')]);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(read).toMatchObject({ reason: expect.any(StoreUnavailableError) });
    expect(written).toMatchObject({ reason: expect.any(OutcomeUnknownError) });
    expect(store.trouble()).toMatch(/no etcd answers/);
    etcd.cont();
    await put(store, `${p}b`, '1');
    expect(await contents(store, p)).toMatchObject({ b: '1' });
  });

  it('calls a read off at once when its caller gives up', async () => {
    etcd.stop();
    const abort = new AbortController();
    const reading = store.range({ prefix: p }, { signal: abort.signal });
    abort.abort(new Error('gave up'));
    await expect(reading).rejects.toThrow('gave up');
    etcd.cont();
  });

  it('reads 40,000 keys at one revision in pages, and values far larger than one answer may be', async () => {
    for (let i = 0; i < 400; i++) {
      const writes = Array.from({ length: 100 }, (_, k) => ({ put: `${p}many/${i}/${k}`, value: bytes(`${i * k}`) }));
      await store.commit({ compares: [], writes });
    }
    const { entries } = await store.range({ prefix: `${p}many/` });
    expect(entries).toHaveLength(40_000);
    expect(entries.every(({ key }, i) => i === 0 || key > (entries[i - 1]?.key ?? ''))).toBe(true);
    for (let i = 0; i < 70; i++) {
      await store.commit({
        compares: [],
        writes: [{ put: `${p}large/${i}`, value: new Uint8Array(1_000_000).fill(i) }],
      });
    }
    const large = await store.range({ prefix: `${p}large/` });
    expect(large.entries).toHaveLength(70);
    expect(large.entries.every(({ value }) => value.byteLength === 1_000_000)).toBe(true);
  });

  it('says that etcd takes no writes once its space is used up, and reads on', async () => {
    await etcd.kill();
    const small = await startEtcd({ flags: ['--quota-backend-bytes', '2000000'] });
    const full = await openEtcdStore({ endpoints: [small.endpoint] });
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        await full.commit({ compares: [], writes: [{ put: `${p}${i}`, value: new Uint8Array(1_000_000) }] });
      }
    };
    await expect(fill()).rejects.toThrow(/takes no writes.*NOSPACE/);
    expect((await full.range({ key: `${p}0` })).entries).toHaveLength(1);
    await noticed(full);
    expect(full.trouble()).toMatch(/takes no writes.*NOSPACE/);
    await full.close();
    const again = await openEtcdStore({ endpoints: [small.endpoint] });
    expect(again.trouble()).toMatch(/takes no writes.*NOSPACE/);
    await again.close();
    await small.dispose();
  });
});
