import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '@bms/transport/testkit';
import { ownPrefix, put } from '../store-under-test.testkit';
import type { EtcdMetaStore } from './etcd-meta-store';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcd, type EtcdProcess } from './testkit/etcd-process';

jest.setTimeout(60_000);

describeWithEtcd('leases in etcd', () => {
  let etcd: EtcdProcess;
  let proxy: FaultProxy;
  let store: EtcdMetaStore;
  beforeEach(async () => {
    etcd = await startEtcd();
    proxy = await FaultProxy.start(etcd.endpoint);
    store = await openEtcdStore({ endpoints: [proxy.address] });
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
    await etcd.dispose();
  });

  /** What etcd itself counts of a method's calls. */
  async function count(metric: 'started' | 'handled'): Promise<number> {
    const metrics = await (await fetch(`http://${etcd.endpoint}/metrics`)).text();
    const line = new RegExp(`^grpc_server_${metric}_total\\{.*grpc_method="LeaseKeepAlive".*\\} (\\d+)$`, 'gm');
    return [...metrics.matchAll(line)].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  it('keeps 500 on one stream, and all of them through a restart within their TTL', async () => {
    const p = ownPrefix();
    const leases = await Promise.all(Array.from({ length: 500 }, () => store.grantLease(6_000)));
    await Promise.all(leases.map(({ leaseId }, i) => put(store, `${p}${i}`, 'x', leaseId)));
    await sleep(3_000);
    expect((await count('started')) - 0).toBe(1);
    await etcd.kill();
    await sleep(1_000);
    await etcd.start();
    await sleep(9_000);
    expect(leases.filter(({ lost }) => lost.aborted)).toEqual([]);
    expect((await store.range({ prefix: p })).entries).toHaveLength(500);
    expect(await count('started')).toBe(1);
  });

  it('are lost for their holder before etcd lets them go, when nothing gets through', async () => {
    const p = ownPrefix();
    const other = await openEtcdStore({ endpoints: [etcd.endpoint] });
    const lease = await store.grantLease(3_000);
    await put(store, `${p}a`, 'x', lease.leaseId);
    proxy.stall();
    const stalledMs = performance.now();
    await new Promise((resolve) => lease.lost.addEventListener('abort', resolve));
    expect(performance.now() - stalledMs).toBeLessThan(3_100);
    expect((await other.range({ prefix: p })).entries).toHaveLength(1);
    while ((await other.range({ prefix: p })).entries.length > 0) await sleep(50);
    await other.close();
    proxy.resume();
  });

  it('last for what is granted, which may be more than was wished', async () => {
    const lease = await store.grantLease(100);
    expect(lease.ttlMs).toBe(2_000);
    const asked = await store.grantLease(2_001);
    expect(asked.ttlMs).toBe(3_000);
  });
});
