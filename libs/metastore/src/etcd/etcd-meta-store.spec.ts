import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '@bms/transport/testkit';
import { describeMetaStoreContract } from '../contract-suite';
import type { StoreUnderTest } from '../store-under-test.testkit';
import type { EtcdMetaStore } from './etcd-meta-store';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcd, type EtcdProcess } from './testkit/etcd-process';
import { answersTransaction } from './testkit/transaction-answer';

/** etcd looks for leases that have run out every half second. */
const EXPIRY_LAG_MS = 600;

jest.setTimeout(60_000);

describeWithEtcd('on a real etcd', () => {
  let etcd: EtcdProcess;
  let proxy: FaultProxy;
  beforeAll(async () => {
    etcd = await startEtcd();
    proxy = await FaultProxy.start(etcd.endpoint);
  });
  afterAll(async () => {
    await proxy.close();
    await etcd.dispose();
  });

  async function openTested(): Promise<StoreUnderTest> {
    const open = (): Promise<EtcdMetaStore> => openEtcdStore({ endpoints: [proxy.address] });
    let store = await open();
    return {
      get store() {
        return store;
      },
      ttlMs: 3_000,
      elapse: (ms) => sleep(ms + EXPIRY_LAG_MS),
      reopen: async () => {
        await store.close();
        store = await open();
        return store;
      },
      loseNextAnswer: () => {
        proxy.judge((direction, chunk) => {
          if (direction === 'to-server' || !answersTransaction(chunk)) return 'pass';
          proxy.judge(() => 'pass');
          return 'cut';
        });
      },
      dispose: async () => {
        await store.close();
        const clean = await open(); // leases of one test that run out in the next one would cost it revisions
        await clean.commit({ compares: [], writes: [{ deletePrefix: '/contract/' }] });
        await clean.close();
      },
    };
  }

  describeMetaStoreContract('EtcdMetaStore', openTested);
});
