import { randomUUID } from 'node:crypto';
import { describeLeases } from './leases.contract-suite';
import { LeaseNotFoundError, OutcomeUnknownError, StoreUnavailableError, type MetaStore } from './meta-store';
import {
  bytes,
  contents,
  get,
  ownPrefix,
  present,
  put,
  text,
  WatchRecorder,
  write,
  type StoreUnderTest,
} from './store-under-test.testkit';
import { describeRanges } from './ranges.contract-suite';
import { describeTransactions } from './transactions.contract-suite';
import { describeWatches } from './watches.contract-suite';

/**
 * What every MetaStore has to do, as tests; each implementation's spec calls this. `open` gives a store that has not to be
 * empty, since each test keeps to keys of its own.
 */
export function describeMetaStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name}, as every MetaStore`, () => {
    let tested: StoreUnderTest;
    beforeEach(async () => (tested = await open()));
    afterEach(() => tested.dispose());

    describeTransactions(() => tested.store);
    describeRanges(() => tested.store);
    describe('watch', () => describeWatches(() => tested.store));
    describe('leases', () => describeLeases(() => tested));
    describe('a lost answer', () => describeLostAnswers(() => tested));
    describe('reopening', () => describeReopening(() => tested));
    describe('close', () => describeClosing(() => tested.store));
  });
}

function describeLostAnswers(current: () => StoreUnderTest): void {
  it('is told as such, and reading back by a unique id decides', async () => {
    const { store, loseNextAnswer } = bound(current());
    const p = ownPrefix();
    const from = (await present(store)) + 1n;
    const id = randomUUID();
    loseNextAnswer();
    await expect(put(store, `${p}a`, id)).rejects.toThrow(OutcomeUnknownError);
    const entry = await get(store, `${p}a`);
    expect(entry === undefined ? undefined : text(entry.value)).toBe(id);
    await put(store, `${p}b`, 'next');
    const watch = new WatchRecorder(store, { prefix: p }, from);
    expect(await watch.until(2)).toHaveLength(2); // it happened once
    await watch.stop();
  });

  it('does not let a compare-and-swap happen twice', async () => {
    const { store, loseNextAnswer } = bound(current());
    const key = `${ownPrefix()}count`;
    const { revision } = await put(store, key, '0');
    const increment = { compares: [{ key, modRevision: revision }], writes: [{ put: key, value: bytes('1') }] };
    loseNextAnswer();
    await expect(store.commit(increment)).rejects.toThrow(OutcomeUnknownError);
    expect((await store.commit(increment)).succeeded).toBe(false);
    expect(await get(store, key)).toMatchObject({ value: bytes('1'), modRevision: revision + 1n });
  });
}

function describeReopening(current: () => StoreUnderTest): void {
  it('keeps entries, revisions, history and identity', async () => {
    const tested = current();
    const p = ownPrefix();
    const first = await put(tested.store, `${p}a`, '1');
    await write(tested.store, { put: `${p}a`, value: bytes('2') }, { put: `${p}b`, value: new Uint8Array(300_000) });
    const last = await write(tested.store, { delete: `${p}b` });
    const before = await tested.store.range({ prefix: p });
    const { clusterId } = tested.store;
    const store = await tested.reopen();
    expect(store.clusterId).toBe(clusterId);
    expect(await store.range({ prefix: p })).toEqual(before);
    expect(await contents(store, p, first.revision)).toEqual({ a: '1' });
    const next = await put(store, `${p}c`, '3');
    expect(next.revision > last.revision).toBe(true);
    const watch = new WatchRecorder(store, { prefix: p }, first.revision);
    expect((await watch.until(5)).map(({ kind }) => kind)).toEqual(['put', 'put', 'put', 'delete', 'put']);
    await watch.stop();
  });

  it('gives leases that were held a full TTL to be taken over, and ends those that are not', async () => {
    const tested = current();
    const { ttlMs } = tested;
    const p = ownPrefix();
    const [taken, left] = [await tested.store.grantLease(ttlMs), await tested.store.grantLease(ttlMs)];
    await put(tested.store, `${p}taken`, '1', taken.leaseId);
    await put(tested.store, `${p}left`, '2', left.leaseId);
    const store = await tested.reopen();
    await tested.elapse(ttlMs / 2);
    expect(Object.keys(await contents(store, p))).toEqual(['left', 'taken']);
    const hold = await store.holdLease(taken.leaseId);
    await tested.elapse(1.5 * ttlMs);
    expect(Object.keys(await contents(store, p))).toEqual(['taken']);
    expect(hold.lost.aborted).toBe(false);
    await expect(store.holdLease(left.leaseId)).rejects.toThrow(LeaseNotFoundError);
  });
}

function describeClosing(current: () => MetaStore): void {
  it('ends watches and holds, and refuses what comes after', async () => {
    const store = current();
    const p = ownPrefix();
    const watch = new WatchRecorder(store, { prefix: p }, await present(store));
    const lease = await store.grantLease(60_000);
    await store.close();
    await watch.ended;
    expect(lease.lost.aborted).toBe(true);
    lease.release();
    const abort = new AbortController();
    const calls: (() => Promise<unknown>)[] = [
      () => store.range({ prefix: p }),
      () => put(store, `${p}a`, '1'),
      () => store.grantLease(1_000),
      () => store.holdLease(lease.leaseId),
      () => store.revokeLease(lease.leaseId),
      () => store.compact(1n),
      () => store.watch({ prefix: p }, 1n, abort.signal)[Symbol.asyncIterator]().next(),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(StoreUnavailableError);
    await store.close();
  });

  it('carries out what it has begun', async () => {
    const store = current();
    const p = ownPrefix();
    const results = Promise.allSettled(Array.from({ length: 200 }, (_, i) => put(store, `${p}${i}`, 'x')));
    await new Promise(setImmediate);
    await store.close();
    for (const result of await results) {
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StoreUnavailableError);
    }
  });
}

function bound(tested: StoreUnderTest): { store: MetaStore; loseNextAnswer: () => void } {
  return { store: tested.store, loseNextAnswer: () => tested.loseNextAnswer() };
}
