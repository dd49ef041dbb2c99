import { renameSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '@bms/transport/testkit';
import { HistoryReplacedError } from '../meta-store';
import { contents, ownPrefix, put, WatchRecorder } from '../store-under-test.testkit';
import type { EtcdMetaStore } from './etcd-meta-store';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcd, type EtcdProcess } from './testkit/etcd-process';
import { etcdctl } from './testkit/etcdctl';

jest.setTimeout(60_000);

describeWithEtcd('an etcd whose data were replaced', () => {
  let etcd: EtcdProcess;
  let store: EtcdMetaStore;
  let p: string;
  beforeEach(async () => {
    etcd = await startEtcd();
    store = await openEtcdStore({ endpoints: [etcd.endpoint] });
    p = ownPrefix();
  });
  afterEach(async () => {
    await store.close();
    await etcd.dispose();
  });

  /** What the store says of it, and that nothing was written to the new data. */
  async function expectRefused(watch: WatchRecorder): Promise<void> {
    await expect(watch.ended).rejects.toThrow(HistoryReplacedError);
    await expect(put(store, `${p}late`, 'x')).rejects.toThrow(HistoryReplacedError);
    await expect(contents(store, p)).rejects.toThrow(HistoryReplacedError);
    expect(store.trouble()).toMatch(/gone back to revision \d+, it had come to \d+: it was restored or wiped/);
    const now = await openEtcdStore({ endpoints: [etcd.endpoint] });
    expect(Object.keys(await contents(now, p))).not.toContain('late');
    await now.close();
  }

  it('is noticed when it was wiped, by calls and watches, before anything is written', async () => {
    for (let i = 0; i < 5; i++) await put(store, `${p}a`, `${i}`);
    const watch = new WatchRecorder(store, { prefix: p }, 2n);
    await watch.until(5);
    await etcd.kill();
    etcd.wipe();
    const writing = (async () => {
      for (;;) {
        const outcome = await put(store, `${p}late`, 'x').catch((error: unknown) => error);
        if (outcome instanceof HistoryReplacedError) return;
        if (!(outcome instanceof Error)) throw new Error('a write was acknowledged by replaced data');
        await sleep(5);
      }
    })();
    await etcd.start();
    await writing;
    await expectRefused(watch);
  });

  it('is noticed when it was restored to an older revision, and used again once the newer data are back', async () => {
    await put(store, `${p}a`, '1');
    const snapshot = `${etcd.folder}.snapshot`;
    await etcdctl(etcd.endpoint, 'snapshot', 'save', snapshot);
    await put(store, `${p}a`, '2');
    const { revision } = await put(store, `${p}a`, '3');
    const watch = new WatchRecorder(store, { prefix: p }, revision);
    await watch.until(1);
    await etcd.kill();
    renameSync(etcd.folder, `${etcd.folder}.newer`);
    await etcd.restore(snapshot);
    await etcd.start();
    await expectRefused(watch);
    await etcd.kill();
    etcd.wipe();
    renameSync(`${etcd.folder}.newer`, etcd.folder);
    await etcd.start();
    while (store.trouble() !== undefined) await sleep(50);
    await put(store, `${p}b`, '4');
    expect(await contents(store, p)).toEqual({ a: '3', b: '4' });
    rmSync(snapshot);
  });

  it('is noticed when it was restored and has gone on past all that was known', async () => {
    const proxy = await FaultProxy.start(etcd.endpoint);
    const through = await openEtcdStore({ endpoints: [proxy.address] });
    const snapshot = `${etcd.folder}.snapshot`;
    try {
      await put(store, `${p}a`, '1');
      await etcdctl(etcd.endpoint, 'snapshot', 'save', snapshot);
      const { revision } = await put(store, `${p}a`, '2');
      const watch = new WatchRecorder(through, { prefix: p }, revision);
      await watch.until(1);
      proxy.refuse();
      await etcd.kill();
      etcd.wipe();
      await etcd.restore(snapshot);
      await etcd.start();
      const other = await openEtcdStore({ endpoints: [etcd.endpoint] });
      for (let i = 0; i < 20; i++) await put(other, `/elsewhere/${i}`, 'x');
      await other.close();
      proxy.admit();
      await expect(watch.ended).rejects.toThrow(HistoryReplacedError);
      await expect(put(through, `${p}late`, 'x')).rejects.toThrow(/lacks the change of revision \d+ that it had/);
    } finally {
      await through.close();
      await proxy.close();
      rmSync(snapshot, { force: true });
    }
  });

  it('is not taken for another cluster that answers at the same address', async () => {
    await put(store, `${p}a`, '1');
    await etcd.kill();
    etcd.wipe();
    const other = await startEtcd({ ports: etcd.ports, flags: ['--initial-cluster-token', 'another'] });
    await expect(put(store, `${p}late`, 'x').catch(() => put(store, `${p}late`, 'x'))).rejects.toThrow(
      HistoryReplacedError,
    );
    expect(store.trouble()).toMatch(/holds the data of cluster \w+, not of \w+/);
    await other.dispose();
  });
});
