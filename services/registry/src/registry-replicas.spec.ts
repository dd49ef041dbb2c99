import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { join } from 'node:path';
import { models, Reason, type meshService } from '@bms/contracts';
import { describeWithEtcd, startEtcd, type EtcdProcess } from '@bms/metastore/testkit';
import { FaultProxy } from '@bms/transport/testkit';
import { FakeRouter } from './fake-router.testkit';
import { FakeWorker } from './fake-worker.testkit';
import { RegistryProcess } from './registry-process.testkit';
import { MODEL, ref, RunningRegistry } from './running-registry.testkit';

const TTL_MS = 3_000;
const { PUBLISHED } = models.VersionState;

describeWithEtcd('registries over one etcd', () => {
  let etcd: EtcdProcess;
  let first: RunningRegistry;
  let second: RunningRegistry;
  const processes: RegistryProcess[] = [];
  let proxy: FaultProxy | undefined;

  beforeEach(async () => {
    etcd = await startEtcd();
    first = await RunningRegistry.start({ store: `etcd://${etcd.endpoint}`, 'lease-ttl-ms': String(TTL_MS) });
    second = await RunningRegistry.beside(first, {});
  }, 60_000);
  afterEach(async () => {
    for (const one of processes.splice(0)) await one.kill();
    await second.close();
    await first.close();
    await proxy?.close();
    proxy = undefined;
    await etcd.dispose();
  }, 60_000);

  type Asked = Pick<RunningRegistry, 'status'>;
  /** What `check` finds in the status, within 20 s. */
  async function told<T>(
    registry: Asked,
    check: (status: meshService.GetMeshStatusResponse) => T | undefined | false,
  ): Promise<T> {
    const endMs = performance.now() + 20_000;
    for (;;) {
      const status = await registry.status().catch(() => undefined);
      const found = status === undefined ? undefined : check(status);
      if (found !== undefined && found !== false) return found;
      if (performance.now() > endMs) throw new Error('it did not come within 20 s');
      await wait(20);
    }
  }
  const leaderOf = ({ registries }: meshService.GetMeshStatusResponse) =>
    registries.filter(({ leader }) => leader).map(({ address }) => address);
  const start = async (name: string): Promise<RegistryProcess> => {
    const flags = [`--store=etcd://${etcd.endpoint}`, `--lease-ttl-ms=${TTL_MS}`];
    const started = await RegistryProcess.start(first.data, join(first.data, 'registries', name), ...flags);
    processes.push(started);
    return started;
  };
  it('refuses to start with another service token than the registries that are there', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'bms-registry-stranger-'));
    try {
      const flags = [`--store=etcd://${etcd.endpoint}`, `--lease-ttl-ms=${TTL_MS}`];
      await expect(RegistryProcess.start(elsewhere, join(elsewhere, 'registries', '0'), ...flags)).rejects.toThrow(
        /the registry at .* of this mesh has another service token: copy the file service-token/,
      );
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
    await told(first, ({ registries }) => registries.length === 2);
  });

  const publishedOn = async (registry: RunningRegistry): Promise<bigint> => {
    const number = await registry.push();
    await registry.publish(number);
    return number;
  };

  it('know each other, and one of them leads', async () => {
    const leaders = await told(second, (status) => {
      const all = status.registries.length === 2 && status.registries.every(({ reachable }) => reachable);
      return all && leaderOf(status).length === 1 && leaderOf(status);
    });
    expect(await told(first, (status) => status.registries.length === 2 && leaderOf(status))).toEqual(leaders);
    expect((await second.status()).storeStatus).toMatchObject({
      kind: 'etcd',
      endpoints: [etcd.endpoint],
      trouble: '',
      doubt: undefined,
    });
    const leads = await Promise.all(
      [first, second].map(async ({ operations }) => {
        const metrics = await (await fetch(`${operations}/metrics`)).text();
        return /bms_registry_leads\{service="registry"\} ([01])/.exec(metrics)?.[1];
      }),
    );
    expect(leads.sort()).toEqual(['0', '1']);
  }, 60_000);

  it('hand the lead over at once where the leader leaves in order', async () => {
    const [leading] = await told(second, (status) => leaderOf(status).length === 1 && leaderOf(status));
    const [leader, other] = leading === first.address ? [first, second] : [second, first];
    const startMs = performance.now();
    await leader.stop();
    await told(other, (status) => leaderOf(status)[0] === other.address);
    expect(performance.now() - startMs).toBeLessThan(TTL_MS);
  }, 60_000);

  it('wait for the routers of all of them before a version is active', async () => {
    const here = new FakeRouter(first, 'r1');
    const there = new FakeRouter(second, 'r2');
    new FakeWorker(first, 'w1');
    const version = await publishedOn(second);
    await here.routes(version, 'w1');
    await there.routes(version, 'w1');
    there.acknowledging = false;
    const activating = first.models.activateVersion({ ref: ref(version), timeoutMs: 10_000n }, first.trusted);
    await there.stream.until(() => (there.route()?.activeVersion === version ? true : undefined));
    let answered = false;
    void activating.then(() => (answered = true));
    await here.stream.until(() => (here.route()?.activeVersion === version ? true : undefined));
    expect(answered).toBe(false);
    there.acknowledge();
    await activating;
    expect((await first.status()).routers.map(({ routerId }) => routerId)).toEqual(['r1', 'r2']);
    there.count(version, 'w1', 7n);
    await told(first, ({ versions }) => versions[0]?.calls?.answered === 7n);
  }, 60_000);

  it('name the router that has not acknowledged', async () => {
    const there = new FakeRouter(second, 'r2', { acknowledging: false });
    await there.stream.until(() => there.stream.received[0]);
    await told(first, ({ routers }) => routers.length === 1);
    new FakeWorker(first, 'w1');
    const version = await publishedOn(first);
    await expect(first.models.waitForVersion({ ref: ref(version), timeoutMs: 1_500n })).rejects.toMatchObject({
      message: expect.stringContaining('have not acknowledged its routes: r2') as string,
    });
  }, 60_000);

  it('let a worker move: the new stream has its lease, the old one is ended', async () => {
    const before = new FakeWorker(first, 'w1');
    const version = await publishedOn(first);
    await before.told(version);
    const after = new FakeWorker(second, 'w1');
    expect(await before.stream.ended()).toMatchObject({ reason: Reason.CONFLICT });
    await after.told(version);
    const secondId = (await second.status()).registries.find(({ address }) => address === second.address)?.registryId;
    await told(first, ({ workers }) => workers[0]?.registryId === secondId);
    expect((await first.status()).workers).toMatchObject([{ workerId: 'w1', attached: true }]);
  }, 60_000);

  it('send workers and routers elsewhere when only one of them has lost the store', async () => {
    proxy = await FaultProxy.start(etcd.endpoint);
    const cutOff = await RunningRegistry.beside(first, { store: `etcd://${proxy.address}` });
    try {
      await told(cutOff, ({ registries }) => registries.length === 3 && registries.every(({ reachable }) => reachable));
      const worker = new FakeWorker(cutOff, 'w1');
      const router = new FakeRouter(cutOff, 'r1');
      await worker.told();
      await router.stream.until(() => router.stream.received[0]);
      proxy.refuse();
      const startMs = performance.now();
      expect(await worker.stream.ended()).toMatchObject({ reason: Reason.DRAINING });
      expect(await router.stream.ended()).toMatchObject({ reason: Reason.DRAINING });
      expect(performance.now() - startMs).toBeLessThan(8_000); // before a lease of 10 s runs out
      proxy.admit();
      await told(cutOff, ({ registries }) => registries.length === 3);
    } finally {
      await cutOff.close();
    }
  }, 60_000);

  it.each(['killed', 'frozen'] as const)(
    'go on placing within the lease and two seconds when the leader is %s, and never two at once',
    async (how) => {
      const leader = await start('leading');
      await told(leader, ({ registries }) => registries.length === 3);
      await first.stop();
      await second.stop();
      await told(leader, (status) => leaderOf(status)[0] === leader.address);
      await first.start();
      await second.start();
      for (const id of ['w1', 'w2']) new FakeWorker(first, id);
      await told(first, ({ workers }) => workers.length === 2);
      const version = await first.push();
      const startMs = performance.now();
      if (how === 'killed') await leader.kill();
      else leader.freeze();
      const publishing = first.publish(version);
      await told(second, ({ versions }) => versions[0]?.readyReplicas === 2);
      const tookMs = performance.now() - startMs;
      expect(tookMs).toBeLessThan(TTL_MS + 2_000);
      await publishing;
      const sets = (await first.status()).workers.map(({ desiredGeneration }) => desiredGeneration);
      if (how === 'killed') return;
      leader.thaw();
      const [present] = await told(leader, (status) => leaderOf(status).length === 1 && leaderOf(status));
      await told(leader, ({ registries }) => registries.length === 3);
      expect([first.address, second.address]).toContain(present);
      expect((await first.status()).workers.map(({ desiredGeneration }) => desiredGeneration)).toEqual(sets);
    },
    90_000,
  );

  describe('whose etcd was wiped', () => {
    let version: bigint;
    let worker: FakeWorker;
    let router: FakeRouter;
    beforeEach(async () => {
      worker = new FakeWorker(first, 'w1');
      router = new FakeRouter(second, 'r1');
      version = await publishedOn(first);
      await router.routes(version, 'w1');
      await told(first, ({ versions }) => versions[0]?.readyReplicas === 1);
      await etcd.kill();
      etcd.wipe();
      await etcd.start();
    }, 60_000);

    it('drop nothing, write nothing and change nothing until a person accepts it', async () => {
      for (const registry of [first, second]) {
        const status = await told(registry, (one) => one.storeStatus?.doubt !== undefined && one);
        expect(status.versions).toMatchObject([{ state: PUBLISHED, readyReplicas: 1 }]);
        expect(status.storeStatus?.doubt).toMatchObject({
          reason: expect.stringContaining('the store is empty, and had come to revision') as string,
          missingVersions: [{ model: MODEL, version }],
        });
        expect((await fetch(`${registry.operations}/readyz`)).status).toBe(503);
      }
      expect(await worker.stream.ended()).toMatchObject({ reason: Reason.STORE_IN_DOUBT });
      expect(await router.stream.ended()).toMatchObject({ reason: Reason.STORE_IN_DOUBT });
      const again = new FakeRouter(first, 'r2');
      expect(await again.stream.ended()).toMatchObject({ reason: Reason.STORE_IN_DOUBT });
      await expect(first.setState(version, models.VersionState.OFFLINE)).rejects.toMatchObject({
        reason: Reason.STORE_IN_DOUBT,
        message: expect.stringContaining('bms store accept') as string,
      });

      await first.stop();
      await first.start(); // has nothing in memory now, and must not give that out
      const { storeStatus, meshId } = await told(first, (one) => one.storeStatus?.doubt !== undefined && one);
      const empty = new FakeRouter(first, 'r3');
      expect(await empty.stream.ended()).toMatchObject({ reason: Reason.STORE_IN_DOUBT });
      const { foundClusterId = '', foundRevision = 0n } = storeStatus?.doubt ?? {};
      const accept = (revision: bigint) =>
        first.mesh.acceptStore({ foundClusterId, foundRevision: revision }, first.trusted);
      await expect(accept(foundRevision + 5n)).rejects.toMatchObject({ reason: Reason.CONFLICT });
      await expect(first.mesh.acceptStore({ foundClusterId, foundRevision })).rejects.toMatchObject({
        reason: Reason.UNAUTHENTICATED,
      });
      expect(foundRevision).toBe(1n); // nobody has written
      await accept(foundRevision);
      for (const registry of [first, second]) {
        const status = await told(registry, (one) => one.storeStatus?.doubt === undefined && one);
        expect(status).toMatchObject({ meshId, versions: [] });
      }
      const worker2 = new FakeWorker(second, 'w1');
      const next = await publishedOn(first);
      await worker2.told(next);
      await expect(accept(foundRevision)).rejects.toMatchObject({ reason: Reason.CONFLICT });
    }, 90_000);
  });

  it('keep workers and routers when all of them have lost the store, and their leases live when it is back', async () => {
    const worker = new FakeWorker(first, 'w1');
    const router = new FakeRouter(second, 'r1');
    const version = await publishedOn(first);
    await router.routes(version, 'w1');
    await etcd.kill();
    await wait(7_000); // longer than the lease, and than it takes to call the store lost
    expect([worker.stream.outcome, router.stream.outcome]).toEqual([undefined, undefined]);
    expect(router.ready(version)).toEqual(['w1']);
    await etcd.start();
    await told(first, ({ workers, registries }) => workers[0]?.attached === true && registries.length === 2);
    await publishedOn(second);
    await worker.told(version, version + 1n);
    expect([worker.stream.outcome, router.stream.outcome]).toEqual([undefined, undefined]);
  }, 60_000);

  it('doubt an etcd that was restored to an earlier time, and go on by themselves once the right data is back', async () => {
    const worker = new FakeWorker(first, 'w1');
    const version = await publishedOn(first);
    await worker.told(version);
    await etcd.kill();
    const [earlier, present] = [`${etcd.folder}-earlier`, `${etcd.folder}-present`];
    try {
      cpSync(etcd.folder, earlier, { recursive: true });
      await etcd.start();
      const later = await publishedOn(second);
      const router = new FakeRouter(second, 'r1');
      await router.routes(later, 'w1');
      await told(first, ({ versions }) => versions.length === 2 && versions[1]?.readyReplicas === 1);
      await etcd.kill();
      cpSync(etcd.folder, present, { recursive: true });
      await restore(earlier);
      for (const registry of [first, second]) {
        const { storeStatus, versions } = await told(registry, (one) => one.storeStatus?.doubt !== undefined && one);
        expect(storeStatus?.doubt?.missingVersions).toMatchObject([{ model: MODEL, version: later }]);
        expect(versions).toMatchObject([{ readyReplicas: 1 }, { readyReplicas: 1 }]);
      }
      await etcd.kill();
      await restore(present);
      for (const registry of [first, second]) {
        const status = await told(registry, (one) => one.storeStatus?.doubt === undefined && one);
        expect(status.versions).toMatchObject([{ ref: { version } }, { ref: { version: later } }]);
      }
      await new FakeWorker(second, 'w1').told(version, later);
    } finally {
      for (const folder of [earlier, present]) rmSync(folder, { recursive: true, force: true });
    }
  }, 90_000);

  async function restore(folder: string): Promise<void> {
    etcd.wipe();
    cpSync(folder, etcd.folder, { recursive: true });
    await etcd.start();
  }
});
