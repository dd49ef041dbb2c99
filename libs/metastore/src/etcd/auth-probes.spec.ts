import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailableError } from '../meta-store';
import { contents, put, WatchRecorder } from '../store-under-test.testkit';
import type { EtcdMetaStore } from './etcd-meta-store';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcd, type EtcdProcess } from './testkit/etcd-process';
import { etcdctl } from './testkit/etcdctl';

jest.setTimeout(60_000);

const USER = { name: 'bms', password: 'secret' };
const P = '/bms/main/';

describeWithEtcd('an etcd with users', () => {
  let etcd: EtcdProcess;
  let store: EtcdMetaStore;
  beforeEach(async () => {
    etcd = await startEtcd();
    const ctl = (...args: string[]): Promise<string> => etcdctl(etcd.endpoint, ...args);
    await ctl('user', 'add', 'root:root');
    await ctl('user', 'grant-role', 'root', 'root');
    await ctl('user', 'add', `${USER.name}:${USER.password}`);
    await ctl('role', 'add', 'mesh');
    await ctl('role', 'grant-permission', 'mesh', '--prefix=true', 'readwrite', P);
    await ctl('user', 'grant-role', USER.name, 'mesh');
    await ctl('auth', 'enable');
    store = await openEtcdStore({ endpoints: [etcd.endpoint], user: USER, prefix: P });
  });
  afterEach(async () => {
    await store.close();
    await etcd.dispose();
  });

  it('goes on with calls, watches and leases when it was restarted and has forgotten all tokens', async () => {
    const watch = new WatchRecorder(store, { prefix: P }, (await store.range({ prefix: P })).revision + 1n);
    const lease = await store.grantLease(5_000);
    await put(store, `${P}a`, '1', lease.leaseId);
    await watch.until(1);
    await etcd.kill();
    await etcd.start();
    await put(store, `${P}b`, '2').catch(() => put(store, `${P}b`, '2'));
    await watch.until(2);
    expect(await contents(store, P)).toEqual({ a: '1', b: '2' });
    await sleep(7_000);
    expect(lease.lost.aborted).toBe(false);
    expect(await contents(store, P)).toEqual({ a: '1', b: '2' });
    await watch.stop();
  });

  it('refuses what is not granted with a sentence that names user and prefix, and leaves other watches alone', async () => {
    const good = new WatchRecorder(store, { prefix: P }, 1n);
    const refused = new WatchRecorder(store, { prefix: '/other/' }, 1n);
    await expect(refused.ended).rejects.toThrow(StoreUnavailableError);
    await expect(refused.ended).rejects.toThrow(/user "bms".*"\/other\/".*--store-prefix/);
    await expect(put(store, '/other/a', '1')).rejects.toThrow(/user "bms".*"\/other\/a"/);
    await expect(store.range({ prefix: '/other/' })).rejects.toThrow(/user "bms".*"\/other\/"/);
    await put(store, `${P}a`, '1');
    await good.until(1);
    await good.stop();
  });

  it.each([
    ['no user', {}, /asks for a user: set --store-user and --store-password-file/],
    [
      'a wrong password',
      { user: { ...USER, password: 'wrong' } },
      /no user "bms" with this password: check --store-user/,
    ],
    ['an unknown user', { user: { ...USER, name: 'nobody' } }, /no user "nobody"/],
    ['a prefix that is not granted', { user: USER, prefix: '/other/' }, /user "bms" use "\/other\/"/],
  ])('is not opened with %s, and says why', async (_, options, sentence) => {
    await expect(openEtcdStore({ endpoints: [etcd.endpoint], prefix: P, ...options })).rejects.toThrow(sentence);
  });
});
