import { DEFAULT_TENANT, versionId, type WorkerId } from '@bms/contracts';
import { StoreUnavailableError } from '@bms/metastore';
import { systemClock } from '../clock';
import { RegistryCore } from '../registry-core.testkit';
import { versionRecord, type Reported } from '../watch/mesh-builder.testkit';
import type { MeshSnapshot } from '../watch/mesh-snapshot';
import type { Leadership } from './leadership';
import { SOLE_REGISTRY } from './leadership';
import { PlacementLoop, type PlacementStep } from './placement-loop';

const { signal } = new AbortController();
const key = (model: string) => ({ tenant: DEFAULT_TENANT, model });

let core: RegistryCore;
let loop: PlacementLoop;
const actions: string[] = [];
const troubles: unknown[] = [];

beforeEach(async () => {
  actions.length = 0;
  troubles.length = 0;
  core = await RegistryCore.open();
});
afterEach(async () => {
  await loop.close();
  await core.close();
});

function start(leadership: Leadership = SOLE_REGISTRY): void {
  const { store, keys, mirror, acknowledgements } = core;
  loop = new PlacementLoop({
    store,
    keys,
    mirror,
    acknowledgements,
    leadership,
    clock: systemClock,
    defaultReplicas: 2,
    settleMs: 0,
    onAction: ({ kind, version, worker }: PlacementStep) => actions.push(`${kind} ${version} ${worker}`),
    onTrouble: (error) => troubles.push(error),
  });
  loop.start();
}

async function publish(model: string): Promise<void> {
  const { version } = await core.catalog.register(versionRecord(`${model}@1`), 'ann', signal);
  await core.catalog.setState(key(model), version, 'published', false, signal);
}

/** What the workers shall hold, once `worker` holds so many. */
function desired(worker: string, count: number): Promise<string[]> {
  return core.until((snapshot: MeshSnapshot) => {
    const held = snapshot.workers.get(worker as WorkerId)?.desiredVersions;
    return held?.size === count ? [...held.keys()] : undefined;
  });
}

/** A worker that loads at once whatever it is told. */
function obeying(id: string): void {
  let seen = 0;
  core.mirror.onChange((snapshot) => {
    const set = snapshot.workers.get(id as WorkerId)?.desired;
    if (set === undefined || set.record.generation === seen) return;
    seen = set.record.generation;
    const { versions } = set.record;
    const replicas = versions.map(({ model, version }): Reported => [`${model}@${version}`, 'ready']);
    void core.report(id, ...replicas).catch(() => undefined); // the spec may be over
  });
}

it('brings what is published to two workers, and takes it away in order when it goes offline', async () => {
  for (const id of ['w1', 'w2', 'w3']) {
    await core.worker(id);
    obeying(id);
  }
  start();
  await publish('m');
  await core.until(({ holders }) => (holders.get(versionId(DEFAULT_TENANT, 'm', 1))?.length === 2 ? true : undefined));
  await core.catalog.setState(key('m'), 1, 'offline', false, signal);
  await core.until(({ holders }) => (holders.has(versionId(DEFAULT_TENANT, 'm', 1)) ? undefined : true));
  expect(actions).toEqual([
    'assign default/m@1 w1',
    'assign default/m@1 w2',
    'retire default/m@1 w1',
    'retire default/m@1 w2',
    'drop default/m@1 w1',
    'drop default/m@1 w2',
  ]);
});

it('grows the generation where the worker has something to do, and not for a retirement', async () => {
  await core.worker('w1');
  obeying('w1');
  const hello = {
    routerId: 'r1',
    incarnation: 'i',
    address: '',
    operationsAddress: '',
    pid: 1n,
    meshId: '',
    epoch: 0n,
    revision: 0n,
  };
  start();
  const generation = (): number => core.mirror.snapshot.workers.get('w1' as WorkerId)?.desired?.record.generation ?? 0;
  await publish('m');
  await desired('w1', 1);
  const assigned = generation();
  const router = core.connections.open(hello);
  router.acknowledge(core.feed.revision);
  const leaving = core.catalog.setState(key('m'), 1, 'offline', false, signal);
  await core.until(
    ({ workers }) => [...(workers.get('w1' as WorkerId)?.desiredVersions.values() ?? [])][0]?.retiredAtMs,
  );
  expect(generation()).toBe(assigned);
  expect(await desired('w1', 1)).toEqual(['default/m@1']); // the router has not acknowledged
  router.acknowledge(core.feed.revision);
  await desired('w1', 0);
  expect(generation()).toBe(assigned + 1);
  await leaving;
}, 20_000);

it('writes nothing once another leads', async () => {
  let leads = true;
  await core.worker('w1');
  start({ ...SOLE_REGISTRY, leads: () => leads, fence: () => [{ key: '/bms/main/leader', is: 'present' }] });
  await publish('m');
  await core.worker('w2');
  expect(actions).toEqual([]);
  leads = false;
  const { revision } = core.mirror.snapshot;
  await publish('n');
  expect(core.mirror.snapshot.workers.get('w1' as WorkerId)?.desiredVersions.size).toBe(0);
  expect(core.mirror.snapshot.revision).toBeGreaterThan(revision);
});

it('goes on when the store was away', async () => {
  await core.worker('w1');
  await publish('m');
  core.faults.push(() => Promise.reject(new StoreUnavailableError('gone')));
  start();
  expect(await desired('w1', 1)).toEqual(['default/m@1']);
  expect(troubles).toEqual([expect.any(StoreUnavailableError)]);
});

it('decides anew when somebody else has written meanwhile', async () => {
  await core.worker('w1');
  await publish('m');
  core.faults.push(async (commit) => {
    await core.catalog.setState(key('m'), 1, 'offline', false, signal);
    return commit();
  });
  start();
  await core.until(
    ({ models }) => models.get('default/m' as never)?.versions.get(1)?.record.state === 'offline' || undefined,
  );
  await publish('n');
  expect(await desired('w1', 1)).toEqual(['default/n@1']);
  await loop.close(); // what it does is told behind it
  expect(actions).toEqual(['assign default/n@1 w1']);
});
