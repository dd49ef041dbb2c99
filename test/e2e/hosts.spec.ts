import { findEtcd } from '@bms/metastore/testkit';
import { whyNoHosts, whyNoLoss } from './hosts/host-network';
import { HOSTS, HostsMesh, type Convergence, type LoadSummary } from './hosts/hosts-mesh';

const missing = whyNoHosts() ?? (findEtcd() === undefined ? 'no etcd is installed' : undefined);
if (missing !== undefined) console.warn(`The tests of a mesh over three hosts are skipped: ${missing}`);
const lossless = missing ?? whyNoLoss();
if (lossless !== undefined) console.warn(`The test of a link that loses packets is skipped: ${lossless}`);

/** For whoever reads the log; what has to hold is asserted. */
function report(what: string, { tookMs, lastLack }: Convergence): void {
  process.stdout.write(`${what}: whole ${Math.round(tookMs)} ms after the link had healed, last the ${lastLack}\n`);
}

const seconds = (count: number): Promise<void> => new Promise((next) => setTimeout(next, 1_000 * count));

/** The issue says 5 s; a machine that runs other tests gets some more. */
const CONVERGES_WITHIN_MS = 10_000;

(missing === undefined ? describe : describe.skip)('a mesh over three hosts', () => {
  let mesh: HostsMesh;
  beforeAll(async () => {
    mesh = new HostsMesh();
    await mesh.start();
  }, 90_000);
  afterAll(async () => {
    await mesh?.dispose();
  }, 20_000);

  const expectAllRight = (summary: LoadSummary): void => {
    expect(summary).toMatchObject({ failed: 0, wrong: 0, right: summary.sent });
    expect(summary.sent).toBeGreaterThan(200);
  };

  it.each([
    ['is cut off', 'cut', 'heal'],
    ['hears all and says nothing', 'mute', 'unmute'],
  ] as const)(
    'fails no request while a host %s, and is whole again soon after',
    async (what, disturb, undo) => {
      const summary = await mesh.underLoad(['a', 'b'], 10, async () => {
        await seconds(2);
        mesh[disturb]('c');
        await seconds(6);
        mesh[undo]('c');
        report(`a host that ${what} for 6 s`, await mesh.converged(CONVERGES_WITHIN_MS));
      });
      expectAllRight(summary);
    },
    60_000,
  );

  it('is whole again soon after a cut that outlasts the leases', async () => {
    mesh.cut('b');
    await seconds(20);
    mesh.heal('b');
    report('a host cut off for 20 s', await mesh.converged(CONVERGES_WITHIN_MS));
  }, 60_000);

  it('fails no request while a worker stands still', async () => {
    const summary = await mesh.underLoad(['a', 'b', 'c'], 8, async () => {
      await seconds(2);
      mesh.process('worker-b').signal('SIGSTOP');
      await seconds(4);
      mesh.process('worker-b').signal('SIGCONT');
    });
    expectAllRight(summary);
    await mesh.converged();
  }, 60_000);

  it('fails no request over a link that takes 150 ms each way', async () => {
    const summary = await mesh.underLoad(['a', 'b', 'c'], 6, async () => {
      await seconds(1);
      mesh.delayWorker('c', 150);
      await seconds(3);
      mesh.delayWorker('c', 0);
    });
    expectAllRight(summary);
  }, 60_000);

  (lossless === undefined ? it : it.skip)(
    'fails no request over a link that loses one packet in twenty',
    async () => {
      const summary = await mesh.underLoad(['a', 'b', 'c'], 10, async () => {
        await seconds(1);
        mesh.lose('c', 5);
        await seconds(6);
        mesh.lose('c', 0);
      });
      expectAllRight(summary);
      await mesh.converged();
    },
    60_000,
  );

  it('serves on when all registries are lost, also through a router that was started again', async () => {
    await mesh.converged();
    await Promise.all(HOSTS.map((host) => mesh.process(`registry-${host}`).kill()));
    await mesh.process('router-a').kill();
    await mesh.startRouter('a');
    for (const host of HOSTS) {
      let servedBy: string | undefined;
      while (servedBy === undefined) servedBy = await mesh.predictThrough(host).catch(() => undefined);
      expect(servedBy).toContain('worker');
    }
    for (const host of HOSTS) await mesh.startRegistry(host);
    await mesh.converged();
  }, 60_000);
});
