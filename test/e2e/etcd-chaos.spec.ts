import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Reason } from '@bms/contracts';
import {
  describeWithEtcd,
  etcdctl,
  startEtcd,
  startEtcdCluster,
  type EtcdCluster,
  type EtcdProcess,
} from '@bms/metastore/testkit';
import { FaultProxy } from '@bms/transport/testkit';
import { ChaosMesh, DIGITS_FILES, type Roles } from './etcd-chaos/chaos-mesh';
import type { LoadSummary } from './etcd-chaos/checked-load';
import { PlacementHistory } from './etcd-chaos/placement-history';
import { WriteGap } from './etcd-chaos/write-gap';

/** The long outage is for `npm run test:etcd`. */
const AWAY_MS = process.env['BMS_ETCD_LONG'] === '1' ? 60_000 : 15_000;
const TTL_MS = 3_000;

/** What is to hold on a machine of its own; beside others it may take twice as long. */
const within = (ms: number): number => 2 * ms;
const CONVERGES_MS = within(5_000);
const PLACES_MS = within(TTL_MS + 2_000);
const REATTACHES_MS = within(1_000);
/** A frozen registry is first heard no more, then left. */
const LEAVES_FROZEN_MS = within(3_000);
/** How long no change may succeed when the leader of three etcds is killed. */
const GAP_MS = within(3_000);
/** The same where it is stopped: no connection breaks, so that each registry has to find out that nothing comes any more. */
const SILENT_GAP_MS = within(5_000);
const START_BOUND_MS = 120_000;

jest.setTimeout(AWAY_MS + 90_000);

/** For whoever reads the log; what has to hold is asserted. */
function report(what: string, ms: number): void {
  process.stdout.write(`${what}: ${Math.round(ms)} ms\n`);
}

function expectAllRight(summary: LoadSummary): void {
  expect(summary).toMatchObject({ wrong: 0, abandoned: 0, firstDifference: null });
  expect({ failed: summary.failed, failures: summary.failures }).toEqual({ failed: 0, failures: {} });
  expect(summary.right).toBe(summary.sent);
  expect(summary.sent).toBeGreaterThan(100);
}

describeWithEtcd('a mesh under a checked load, over one etcd', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-etcd-chaos-'));
  const [one = '', two = ''] = DIGITS_FILES;
  /** From when there was only the first version. */
  const earlier = join(folder, 'earlier.db');
  let etcd: EtcdProcess;
  let proxy: FaultProxy;
  let mesh: ChaosMesh;

  beforeAll(async () => {
    etcd = await startEtcd();
    proxy = await FaultProxy.start(etcd.endpoint);
    mesh = await ChaosMesh.start(`etcd://${proxy.address}`, { BMS_LEASE_TTL_MS: String(TTL_MS) });
    await mesh.bms('push', 'digits', one, '--activate');
    await etcdctl(etcd.endpoint, 'snapshot', 'save', earlier);
    await mesh.bms('push', 'digits', two, '--activate');
    await mesh.converged(30_000);
  }, START_BOUND_MS);
  afterAll(async () => {
    await mesh?.stop();
    await proxy?.close();
    await etcd?.dispose();
    rmSync(folder, { recursive: true });
  }, START_BOUND_MS);

  it.each([
    ['killed and away', (): Promise<void> => etcd.kill(), (): Promise<void> => etcd.start()],
    ['stopped', async (): Promise<void> => etcd.stop(), async (): Promise<void> => etcd.cont()],
  ] as const)('fails no request while etcd is %s, and is whole again soon after', async (what, disturb, undo) => {
    const summary = await mesh.underLoad(async () => {
      await disturb();
      await sleep(what === 'stopped' ? 15_000 : AWAY_MS);
      await undo();
      report(`whole again after etcd was ${what}`, await mesh.converged(CONVERGES_MS));
    });
    expectAllRight(summary);
  });

  it('fails no request when the history that all registries follow is compacted while they are cut off', async () => {
    const summary = await mesh.underLoad(async () => {
      proxy.refuse();
      // Their leases end, so that there are changes of the mesh that no registry has seen.
      while ((await etcdctl(etcd.endpoint, 'get', '--prefix', '/bms/main/workers/')) !== '') await sleep(100);
      const { Status } = (
        JSON.parse(await etcdctl(etcd.endpoint, 'endpoint', 'status', '-w', 'json')) as readonly [
          { readonly Status: { readonly header: { readonly revision: number } } },
        ]
      )[0];
      await etcdctl(etcd.endpoint, 'compact', String(Status.header.revision));
      await etcdctl(etcd.endpoint, 'defrag');
      proxy.admit();
      report('whole again after a compaction', await mesh.converged(CONVERGES_MS));
    });
    expectAllRight(summary);
  });

  describe('whose leading registry', () => {
    let history: PlacementHistory;
    let roles: Roles;
    beforeEach(async () => {
      await mesh.converged(CONVERGES_MS);
      const { follower, leader } = await mesh.roles();
      // Its workers go to the leader, so that the leader's end is felt by all.
      process.kill(Number(follower.pid), 'SIGKILL');
      await mesh.told(({ workers }) => workers.every((worker) => worker.registryId === leader.registryId));
      await mesh.converged(CONVERGES_MS);
      roles = await mesh.roles();
      expect(roles.leader.pid).toBe(leader.pid);
      history = await PlacementHistory.follow(etcd.endpoint, proxy);
    });
    afterEach(async () => {
      proxy.heal();
      await history.close();
    });

    it.each([
      ['killed', 'SIGKILL'],
      ['frozen', 'SIGSTOP'],
    ] as const)('is %s as it places: another one goes on, and never two place', async (how, signal) => {
      const leader = Number(roles.leader.pid);
      const summary = await mesh.underLoad(async () => {
        let struckAtMs = 0;
        history.atNextWrite(() => {
          struckAtMs = Date.now();
          process.kill(leader, signal);
          return 'cut'; // the write is lost
        });
        try {
          const changes = [
            await mesh.processes.bms('push', how, one, '--publish'),
            await mesh.processes.bms('publish', `${how}@1`, '--wait'),
          ];
          // What was on its way through the leader is lost with it; the next change goes through the other registry.
          const lost = changes.filter(({ code }) => code !== 0);
          expect(lost.length).toBeLessThanOrEqual(1);
          for (const { err } of lost) expect(err).toContain('it may or may not have happened');
          await mesh.bms('publish', `${how}@1`, '--wait');
          const tookMs = (history.writes[0]?.seenAtMs ?? NaN) - struckAtMs;
          report(`placement went on after the leader was ${how}`, tookMs);
          expect(tookMs).toBeLessThan(PLACES_MS);
          for (const worker of ['worker-0', 'worker-1']) {
            const attachedMs = (mesh.loggedAtMs(worker, 'attached', struckAtMs) ?? NaN) - struckAtMs;
            report(`${worker} attached after the leader was ${how}`, attachedMs);
            expect(attachedMs).toBeLessThan(how === 'killed' ? REATTACHES_MS : LEAVES_FROZEN_MS);
          }
        } finally {
          if (how === 'frozen') process.kill(leader, 'SIGCONT');
        }
        await mesh.converged(CONVERGES_MS);
      });
      expectAllRight(summary);
      expect(history.terms.length).toBeGreaterThan(1);
      expect(history.writes.length).toBeGreaterThan(1);
      expect(history.violations()).toEqual([]);
    });
  });

  it('drops nothing and changes nothing while its etcd is wiped, and goes on by itself when the data is back', async () => {
    const kept = join(folder, 'kept');
    const summary = await mesh.underLoad(async () => {
      await etcd.kill();
      cpSync(etcd.folder, kept, { recursive: true });
      etcd.wipe();
      await etcd.start();
      await mesh.told(({ storeStatus }) => storeStatus?.doubt !== undefined);
      const { code, out, err } = await mesh.processes.bms('status');
      expect([code, err]).toEqual([1, expect.stringContaining('the store is in doubt')]);
      expect(out).toMatch(/^The store is in doubt since [^\n]*: the store is empty, [^\n]*: it was wiped\.$/m);
      await expect(mesh.label('refused', 1n)).rejects.toMatchObject({ reason: Reason.STORE_IN_DOUBT });
      expect((await mesh.answers()).map(({ version }) => version)).toEqual([2, 2]);
      expect(await etcdctl(etcd.endpoint, 'get', '--prefix', '', '--keys-only')).toBe('');
      await etcd.kill();
      etcd.wipe();
      cpSync(kept, etcd.folder, { recursive: true });
      await etcd.start();
      report('whole again after the right data was put back', await mesh.converged(CONVERGES_MS));
    });
    expectAllRight(summary);
    expect(Object.keys(summary.versions)).toEqual(['2']);
  });

  it('serves a version that a restored etcd lacks until a person accepts that, also through processes that start anew', async () => {
    const summary = await mesh.underLoad(async () => {
      await etcd.kill();
      etcd.wipe();
      await etcd.restore(earlier);
      await etcd.start();
      const missing = await mesh.told(({ storeStatus }) => storeStatus?.doubt?.missingVersions);
      expect(missing.map(({ model, version }) => `${model}@${version}`)).toContain('digits@2');

      for (const name of ['registry', 'router-1', 'worker-1'])
        await mesh.processes.killAndAwaitSuccessor(name, 'SIGKILL');
      expect((await mesh.answers({ version: 2 })).map(({ version }) => version)).toEqual([2, 2]);
      const looked = await mesh.processes.bms('store', 'accept');
      expect(looked.code).toBe(1);
      expect((await mesh.processes.bms('status')).code).toBe(1);

      await mesh.bms('store', 'accept', '--yes');
      report('whole again after a restored store was accepted', await mesh.converged(CONVERGES_MS));
      await expect(mesh.answers({ version: 2 })).rejects.toMatchObject({ reason: Reason.VERSION_NOT_FOUND });
      expect((await mesh.answers()).map(({ version }) => version)).toEqual([1, 1]);
    }, 3);
    expectAllRight(summary);
    const [first] = await mesh.answers();

    // The number is given again, and means other files now: those of the first version.
    await mesh.bms('push', 'digits', one, '--activate');
    await mesh.converged(CONVERGES_MS);
    expect(await mesh.answers()).toEqual(Array.from({ length: 2 }, () => ({ ...first, version: 2 })));
  });
});

describeWithEtcd('a mesh under a checked load, over three etcds', () => {
  let etcds: EtcdCluster;
  let mesh: ChaosMesh;
  beforeAll(async () => {
    etcds = await startEtcdCluster(3);
    mesh = await ChaosMesh.start(`etcd://${etcds.endpoints.join()}`);
    for (const file of DIGITS_FILES) await mesh.bms('push', 'digits', file, '--activate');
    await mesh.converged(30_000);
  }, START_BOUND_MS);
  afterAll(async () => {
    await mesh?.stop();
    await etcds?.dispose();
  }, START_BOUND_MS);

  it('fails no request and goes on with changes when the leading etcd is killed, and the next one stopped', async () => {
    const summary = await mesh.underLoad(async () => {
      const changes = new WriteGap(mesh);
      const expectGap = async (what: string, label: string, boundMs: number): Promise<void> => {
        await changes.more(10);
        const gapMs = changes.takeLongestMs();
        report(`no change succeeded when the leading etcd was ${what}`, gapMs);
        expect(gapMs).toBeLessThan(boundMs);
        await mesh.bms('label', 'digits', `${label}=1`);
      };
      try {
        await changes.more(10);
        changes.takeLongestMs();
        const killed = await etcds.leader();
        await killed.kill();
        await expectGap('killed', 'after-kill', GAP_MS);
        await killed.start();
        const stopped = await etcds.leader();
        changes.takeLongestMs();
        stopped.stop();
        await expectGap('stopped', 'after-stop', SILENT_GAP_MS);
        stopped.cont();
      } finally {
        await changes.stop();
      }
      report('whole again with three etcds', await mesh.converged(CONVERGES_MS));
    });
    expectAllRight(summary);
  });
});
