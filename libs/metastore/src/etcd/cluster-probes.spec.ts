import { setTimeout as sleep } from 'node:timers/promises';
import { expectWholeRevisions, ownPrefix, present, revisionOf, text, WatchRecorder } from '../store-under-test.testkit';
import { OutcomeUnknownError, StoreUnavailableError } from '../meta-store';
import { bytes } from '../store-under-test.testkit';
import type { EtcdMetaStore } from './etcd-meta-store';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcdCluster, type EtcdCluster } from './testkit/etcd-cluster';

/** How much longer than etcd's own election, which takes what chance gives it, writes may stand still when a leader dies. */
const BEHIND_ELECTION_MAX_MS = 1_000;
/** The longest that writes may stand still when a leader is killed, its election included. */
const KILLED_GAP_MAX_MS = 3_000;

jest.setTimeout(60_000);

describeWithEtcd('three etcds', () => {
  let cluster: EtcdCluster;
  let store: EtcdMetaStore;
  beforeEach(async () => {
    cluster = await startEtcdCluster(3);
  });
  afterEach(async () => {
    await store.close();
    await cluster.dispose();
  });

  /** The store asks the leader first: its death hurts most. */
  async function openAtLeader(): Promise<void> {
    const leader = await cluster.leader();
    const others = cluster.endpoints.filter((endpoint) => endpoint !== leader.endpoint);
    store = await openEtcdStore({ endpoints: [leader.endpoint, ...others] });
  }

  it.each(['killed', 'stopped'] as const)(
    'lose nothing and write on as soon as there is a new leader when theirs is %s',
    async (fate) => {
      await openAtLeader();
      const p = ownPrefix();
      const from = (await present(store)) + 1n;
      const watch = new WatchRecorder(store, { prefix: p }, from);
      const lease = await store.grantLease(10_000);
      const acknowledged = new Map<string, bigint>();
      let [number, unknown, lastMs, gapMs, stopping] = [0, 0, performance.now(), 0, false];
      const writing = (async () => {
        while (!stopping) {
          const id = `${number++}`;
          try {
            const { revision } = await store.commit({ compares: [], writes: [{ put: `${p}${id}`, value: bytes(id) }] });
            acknowledged.set(id, revision);
            gapMs = Math.max(gapMs, performance.now() - lastMs);
            lastMs = performance.now();
          } catch (error) {
            if (error instanceof OutcomeUnknownError) unknown += 1;
            else if (!(error instanceof StoreUnavailableError)) throw error;
          }
          await sleep(2);
        }
      })();
      await watch.until(50);
      const leader = await cluster.leader();
      if (fate === 'killed') await leader.kill();
      else leader.stop();
      const diedMs = performance.now();
      await cluster.leader();
      const electionMs = performance.now() - diedMs;
      await sleep(6_000);
      if (fate === 'stopped') leader.cont();
      await sleep(1_000);
      stopping = true;
      await writing;
      const last = [...acknowledged.values()].at(-1) ?? 0n;
      while ((watch.batches.at(-1)?.revision ?? 0n) < last) await watch.until(watch.events.length + 1);
      expectWholeRevisions(watch.batches, from);
      const seen = watch.events.map(revisionOf);
      expect(new Set(seen).size).toBe(seen.length);
      const told = new Map(
        watch.events.map((event) => [event.kind === 'put' ? text(event.entry.value) : '', revisionOf(event)]),
      );
      expect([...acknowledged].filter(([id, revision]) => told.get(id) !== revision)).toEqual([]);
      expect(lease.lost.aborted).toBe(false);
      expect(gapMs - electionMs).toBeLessThan(BEHIND_ELECTION_MAX_MS);
      if (fate === 'killed') expect(gapMs).toBeLessThan(KILLED_GAP_MAX_MS);
      expect(unknown).toBeLessThanOrEqual(2);
      await watch.stop();
    },
  );

  it('let watches, leases and calls move on when the asked one is stopped', async () => {
    store = await openEtcdStore({ endpoints: cluster.endpoints });
    const p = ownPrefix();
    const watch = new WatchRecorder(store, { prefix: p }, (await present(store)) + 1n);
    const lease = await store.grantLease(5_000);
    const write = (key: string): Promise<unknown> =>
      store.commit({ compares: [], writes: [{ put: p + key, value: bytes('x') }] });
    await write('a');
    await watch.until(1);
    cluster.members[0]?.stop();
    const stoppedMs = performance.now();
    const id = 'b';
    await write(id).catch(() => undefined);
    await write('c').catch(() => write('c'));
    await watch.until(2);
    expect(performance.now() - stoppedMs).toBeLessThan(5_000);
    await sleep(6_000);
    expect(lease.lost.aborted).toBe(false);
    expect(store.trouble()).toBeUndefined();
    await watch.stop();
  });
});
