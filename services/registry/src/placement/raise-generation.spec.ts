import type { WorkerId } from '@bms/contracts';
import { desiredFormat, reportedFormat } from '../records/values';
import { RegistryCore } from '../registry-core.testkit';
import { SOLE_REGISTRY } from './leadership';
import { raiseGeneration } from './raise-generation';

const { signal } = new AbortController();
const NOW_MS = 1_700_000_000_000;

let core: RegistryCore;
beforeEach(async () => {
  core = await RegistryCore.open();
  await core.worker('w1', ['m@1', 'ready']);
});
afterEach(() => core.close());

/** The worker says that it has reached this generation; `desired` is what the store has, undefined: nothing. */
async function setting(reached: number, desired: number | undefined) {
  const { store, keys } = core;
  const entry = (await store.range({ key: keys.reported('w1') })).entries[0];
  const report = reportedFormat.decode(entry?.value ?? new Uint8Array(), 'reported');
  const versions = [{ tenant: 'default', model: 'm', version: 1 }];
  const key = keys.desired('w1');
  const { revision } = await store.commit({
    compares: [],
    writes: [
      { put: keys.reported('w1'), value: reportedFormat.encode({ ...report, generation: reached }) },
      desired === undefined
        ? { delete: key }
        : { put: key, value: desiredFormat.encode({ generation: desired, changedAtMs: 1, versions }) },
    ],
  });
  await core.mirror.reached(revision, signal, 5_000);
}

async function raise() {
  const { store, keys, mirror } = core;
  const entry = mirror.snapshot.workers.get('w1' as WorkerId);
  if (entry === undefined) throw new Error('no worker');
  const revision = await raiseGeneration({ store, keys, leadership: SOLE_REGISTRY, nowMs: NOW_MS }, entry, signal);
  if (revision !== undefined) await mirror.reached(revision, signal, 5_000);
  return mirror.snapshot.workers.get('w1' as WorkerId)?.desired?.record;
}

it('writes a set that the worker would ignore again, above what it has reached', async () => {
  await setting(9, 5);
  expect(await raise()).toMatchObject({ generation: 10, versions: [{ model: 'm', version: 1 }] });
});

it('tells a worker of which the store knows nothing to hold nothing, in the time of generations', async () => {
  await setting(9, undefined);
  expect(await raise()).toMatchObject({ generation: NOW_MS, versions: [] });
});

it.each([
  [5, 5],
  [4, 5],
])('leaves a set alone that the worker takes: reached %s, desired %s', async (reached, desired) => {
  await setting(reached, desired);
  const { revision } = core.mirror.snapshot;
  expect(await raise()).toMatchObject({ generation: desired });
  expect(core.mirror.snapshot.revision).toBe(revision);
});
