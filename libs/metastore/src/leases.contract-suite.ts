import { LeaseNotFoundError, type LeaseHold, type MetaStore } from './meta-store';
import {
  bytes,
  contents,
  get,
  ownPrefix,
  present,
  put,
  revisionOf,
  WatchRecorder,
  write,
  type StoreUnderTest,
} from './store-under-test.testkit';

/** What a store promises of leases. */
export function describeLeases(current: () => StoreUnderTest): void {
  let store: MetaStore;
  let ttlMs: number;
  let p: string;
  const elapse = (ms: number): Promise<void> => current().elapse(ms);
  beforeEach(() => {
    ({ store, ttlMs } = current());
    p = ownPrefix();
  });

  it('grants what is wished or more, each under its own name', async () => {
    const leases = await Promise.all(Array.from({ length: 20 }, () => store.grantLease(ttlMs)));
    expect(new Set(leases.map(({ leaseId }) => leaseId)).size).toBe(20);
    for (const lease of leases) {
      expect(lease.ttlMs).toBeGreaterThanOrEqual(ttlMs);
      expect(lease.leaseId > 0n).toBe(true);
      expect(lease.lost.aborted).toBe(false);
    }
  });

  it.each([0, -1, NaN, Infinity])('refuses a TTL of %d', async (wish) => {
    await expect(store.grantLease(wish)).rejects.toThrow(RangeError);
  });

  it('ends a lease that nobody holds once its time has run out, with all its keys in one revision', async () => {
    const lease = await store.grantLease(ttlMs);
    await put(store, `${p}a`, '1', lease.leaseId);
    const { revision } = await put(store, `${p}b`, '2', lease.leaseId);
    await put(store, `${p}stays`, '3');
    expect(await get(store, `${p}a`)).toMatchObject({ leaseId: lease.leaseId });
    lease.release();
    await elapse(lease.ttlMs / 2);
    expect(Object.keys(await contents(store, p))).toEqual(['a', 'b', 'stays']);
    await elapse(lease.ttlMs);
    expect(await contents(store, p)).toEqual({ stays: '3' });
    const watch = new WatchRecorder(store, { prefix: p }, revision + 2n);
    const gone = await watch.until(2);
    await watch.stop();
    expect(gone.map(({ kind }) => kind)).toEqual(['delete', 'delete']);
    expect(new Set(gone.map(revisionOf)).size).toBe(1);
    await expect(store.holdLease(lease.leaseId)).rejects.toThrow(LeaseNotFoundError);
  });

  it('keeps a lease for as long as it is held', async () => {
    const lease = await store.grantLease(ttlMs);
    await put(store, `${p}a`, '1', lease.leaseId);
    for (let i = 0; i < 3; i++) await elapse(lease.ttlMs);
    expect(await contents(store, p)).toEqual({ a: '1' });
    expect(lease.lost.aborted).toBe(false);
  });

  it('lets another take a lease over before it has run out', async () => {
    const lease = await store.grantLease(ttlMs);
    await put(store, `${p}a`, '1', lease.leaseId);
    lease.release();
    await elapse(lease.ttlMs / 2);
    const successor = await store.holdLease(lease.leaseId);
    expect(successor).toMatchObject({ leaseId: lease.leaseId, ttlMs: lease.ttlMs });
    await elapse(2 * lease.ttlMs);
    expect(await contents(store, p)).toEqual({ a: '1' });
    successor.release();
    await elapse(1.5 * lease.ttlMs);
    expect(await contents(store, p)).toEqual({});
  });

  it('keeps a lease that two hold until both have let go', async () => {
    const first = await store.grantLease(ttlMs);
    await put(store, `${p}a`, '1', first.leaseId);
    const second = await store.holdLease(first.leaseId);
    first.release();
    first.release();
    await elapse(2 * first.ttlMs);
    expect(await contents(store, p)).toEqual({ a: '1' });
    expect(second.lost.aborted).toBe(false);
    second.release();
    await elapse(1.5 * first.ttlMs);
    expect(await contents(store, p)).toEqual({});
  });

  it('ends a revoked lease at once, and tells whoever holds it', async () => {
    const lease = await store.grantLease(ttlMs);
    const other = await store.holdLease(lease.leaseId);
    const before = await put(store, `${p}a`, '1', lease.leaseId);
    await put(store, `${p}b`, '2', lease.leaseId);
    const lost = Promise.all([aborted(lease), aborted(other)]);
    await store.revokeLease(lease.leaseId);
    expect(await contents(store, p)).toEqual({});
    expect(await present(store)).toBe(before.revision + 2n);
    await elapse(lease.ttlMs); // by then at the latest a holder knows, whatever the store
    await lost;
    await store.revokeLease(lease.leaseId);
    await expect(store.holdLease(lease.leaseId)).rejects.toThrow(LeaseNotFoundError);
  });

  it.each([12_345n, 0n, -1n, 1n << 64n])('knows no lease %s', async (leaseId) => {
    await expect(store.holdLease(leaseId)).rejects.toThrow(LeaseNotFoundError);
    await store.revokeLease(leaseId);
    if (leaseId !== 0n) await expect(put(store, `${p}a`, '1', leaseId)).rejects.toThrow(LeaseNotFoundError);
  });

  it('writes nothing of a transaction that names a lease which is no more', async () => {
    const lease = await store.grantLease(ttlMs);
    await store.revokeLease(lease.leaseId);
    const writes = [
      { put: `${p}a`, value: bytes('1') },
      { put: `${p}b`, value: bytes('2'), leaseId: lease.leaseId },
    ];
    await expect(store.commit({ compares: [], writes })).rejects.toThrow(LeaseNotFoundError);
    expect(await contents(store, p)).toEqual({});
    const refused = await store.commit({ compares: [{ key: `${p}a`, is: 'present' }], writes });
    expect(refused.succeeded).toBe(false);
  });

  it('lets a key go with its last lease only', async () => {
    const [old, young] = [await store.grantLease(ttlMs), await store.grantLease(ttlMs)];
    for (const key of ['freed', 'moved', 'deleted', 'kept']) await put(store, p + key, '1', old.leaseId);
    await put(store, `${p}freed`, '2');
    await put(store, `${p}moved`, '2', young.leaseId);
    await write(store, { delete: `${p}deleted` });
    await put(store, `${p}deleted`, '2');
    await put(store, `${p}kept`, '2', old.leaseId);
    await store.revokeLease(old.leaseId);
    expect(Object.keys(await contents(store, p))).toEqual(['deleted', 'freed', 'moved']);
    await store.revokeLease(young.leaseId);
    expect(Object.keys(await contents(store, p))).toEqual(['deleted', 'freed']);
  });

  it('fences an owner that has lost its lease without knowing', async () => {
    const old = await store.grantLease(ttlMs);
    await put(store, `${p}leader`, 'old', old.leaseId);
    const fence = (await get(store, `${p}leader`))?.createRevision ?? -1n;
    await store.revokeLease(old.leaseId);
    const young = await store.grantLease(ttlMs);
    const won = await store.commit({
      compares: [{ key: `${p}leader`, is: 'absent' }],
      writes: [{ put: `${p}leader`, value: bytes('young'), leaseId: young.leaseId }],
    });
    expect(won.succeeded).toBe(true);
    const late = await store.commit({
      compares: [{ key: `${p}leader`, createRevision: fence }],
      writes: [{ put: `${p}decision`, value: bytes('stale') }],
    });
    expect(late.succeeded).toBe(false);
  });

  it('ends many leases that run out together, and those without keys too', async () => {
    const leases = await Promise.all(Array.from({ length: 50 }, () => store.grantLease(ttlMs)));
    await Promise.all(leases.slice(0, 40).map(({ leaseId }, i) => put(store, `${p}${i}`, 'x', leaseId)));
    for (const lease of leases) lease.release();
    await elapse(2 * ttlMs);
    expect(await contents(store, p)).toEqual({});
    for (const { leaseId } of leases) await expect(store.holdLease(leaseId)).rejects.toThrow(LeaseNotFoundError);
  });
}

function aborted({ lost }: LeaseHold): Promise<void> {
  return new Promise((resolve) => {
    if (lost.aborted) resolve();
    else lost.addEventListener('abort', () => resolve(), { once: true });
  });
}
