import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '@bms/transport/testkit';
import { CompactedError } from '../meta-store';
import {
  bytes,
  expectWholeRevisions,
  ownPrefix,
  present,
  put,
  revisionOf,
  WatchRecorder,
} from '../store-under-test.testkit';
import type { EtcdMetaStore } from './etcd-meta-store';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcd, type EtcdProcess } from './testkit/etcd-process';
import { HistoryWriter } from './testkit/history-writer';

/** Long outages are for `npm run test:etcd`. */
const LONG = process.env['BMS_ETCD_LONG'] === '1';

jest.setTimeout(120_000);

describeWithEtcd('a watch of etcd', () => {
  let etcd: EtcdProcess;
  let proxy: FaultProxy;
  let store: EtcdMetaStore;
  let p: string;
  let writer: HistoryWriter;
  beforeEach(async () => {
    etcd = await startEtcd();
    proxy = await FaultProxy.start(etcd.endpoint);
    store = await openEtcdStore({ endpoints: [proxy.address] });
    p = ownPrefix();
    writer = new HistoryWriter(etcd.endpoint, p);
  });
  afterEach(async () => {
    writer.close();
    await store.close();
    await proxy.close();
    await etcd.dispose();
  });

  /** No event missed, doubled or out of order: the watch saw each acknowledged write once, in whole revisions. */
  async function expectAll(watch: WatchRecorder, from: bigint): Promise<void> {
    const last = writer.revisions.at(-1) ?? 0n;
    while ((watch.batches.at(-1)?.revision ?? 0n) < last) await watch.until(watch.events.length + 1);
    expectWholeRevisions(watch.batches, from);
    const seen = watch.events.map(revisionOf);
    expect(new Set(seen).size).toBe(seen.length);
    const known = new Set(seen);
    expect(writer.revisions.filter((revision) => !known.has(revision))).toEqual([]);
    await watch.stop();
  }

  it('loses nothing when the connection is cut after `created`, before the backlog', async () => {
    const from = (await present(store)) + 1n;
    await writer.write(3_000);
    let cuts = 0;
    // `created` is the first answer after the watch is asked for; what follows it is cut, five times.
    let answers = 0;
    proxy.judge((direction, chunk) => {
      if (direction === 'to-client' && chunk.length > 4_000 && cuts < 5 && ++answers > 0) {
        cuts += 1;
        return 'cut';
      }
      return 'pass';
    });
    await expectAll(new WatchRecorder(store, { prefix: p }, from), from);
    expect(cuts).toBe(5);
  });

  it('loses nothing when the connection is cut at any place of a backlog of many batches', async () => {
    const from = (await present(store)) + 1n;
    await writer.write(3_500, 500);
    let passed = 0;
    let cuts = 0;
    proxy.judge((direction, chunk) => {
      if (direction === 'to-server') return 'pass';
      passed += chunk.length;
      if (passed < 300_000 * (cuts + 1) || cuts >= 6) return 'pass';
      cuts += 1;
      return 'cut';
    });
    await expectAll(new WatchRecorder(store, { prefix: p }, from), from);
    expect(cuts).toBeGreaterThan(3);
  });

  it('takes a backlog far over 4 MiB', async () => {
    const from = (await present(store)) + 1n;
    await writer.write(600, 20_000);
    await expectAll(new WatchRecorder(store, { prefix: p }, from), from);
  });

  it.each(LONG ? [1, 10, 60] : [1])('loses nothing while etcd is killed for %d s and others write', async (seconds) => {
    const from = (await present(store)) + 1n;
    const watch = new WatchRecorder(store, { prefix: p }, from);
    writer.writeOn();
    await watch.until(50);
    await etcd.kill();
    await sleep(seconds * 1_000);
    await etcd.start();
    const seen = watch.events.length;
    await watch.until(seen + 50);
    await writer.stop();
    await expectAll(watch, from);
  });

  it('goes on when etcd was stopped and woken again, and when the network held everything back', async () => {
    const from = (await present(store)) + 1n;
    const watch = new WatchRecorder(store, { prefix: p }, from);
    writer.writeOn();
    await watch.until(20);
    etcd.stop();
    await sleep(3_000);
    etcd.cont();
    await watch.until(watch.events.length + 20);
    proxy.stall('to-client');
    await sleep(2_000);
    proxy.resume();
    await watch.until(watch.events.length + 20);
    await writer.stop();
    await expectAll(watch, from);
  });

  it('notices a half-open connection, and makes another', async () => {
    const from = (await present(store)) + 1n;
    const watch = new WatchRecorder(store, { prefix: p }, from);
    await writer.write(10);
    await watch.until(10);
    const before = proxy.accepted;
    proxy.judge(() => 'drop'); // nothing that is under way ever arrives, and nobody says so
    await writer.write(10);
    await sleep(500);
    proxy.judge(() => 'pass'); // for connections that come
    await watch.until(20);
    expect(proxy.accepted).toBeGreaterThan(before);
    await expectAll(watch, from);
  });

  it('says so when the history was compacted past it while it was away', async () => {
    const from = (await present(store)) + 1n;
    const watch = new WatchRecorder(store, { prefix: p }, from);
    await writer.write(10);
    await watch.until(10);
    proxy.refuse();
    await writer.write(20);
    const other = await openEtcdStore({ endpoints: [etcd.endpoint] });
    await other.compact(writer.revisions.at(-1) ?? 0n);
    await other.close();
    proxy.admit();
    const error = await watch.ended.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CompactedError);
    expect(error).toMatchObject({ compactRevision: writer.revisions.at(-1) });
    expect(watch.events).toHaveLength(10);
  });

  it('does not trust a start that is exactly the compacted revision: older etcds leave out a deletion there', async () => {
    await put(store, `${p}a`, '1');
    const { revision } = await store.commit({ compares: [], writes: [{ delete: `${p}a` }] });
    await put(store, `${p}b`, '1');
    await store.compact(revision);
    const watch = new WatchRecorder(store, { prefix: p }, revision);
    await expect(watch.ended).rejects.toThrow(CompactedError);
    expect(watch.events).toEqual([]);
  });

  it('tells what another client writes, as that reads it', async () => {
    const from = (await present(store)) + 1n;
    const watch = new WatchRecorder(store, { prefix: p }, from);
    await writer.write(3);
    const events = await watch.until(3);
    expect(events.map((event) => event.kind === 'put' && Buffer.from(event.entry.value).toString())).toEqual([
      '0',
      '1',
      '2',
    ]);
    expect(events[0]).toMatchObject({ entry: { key: `${p}0`, value: bytes('0'), modRevision: writer.revisions[0] } });
    await watch.stop();
  });
});
