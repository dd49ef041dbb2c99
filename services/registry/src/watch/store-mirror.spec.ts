import { CompactedError, type WatchBatch } from '@bms/metastore';
import { RegistryCore } from '../registry-core.testkit';
import { meshFormat } from '../records/values';
import { CorruptValueError, NewerStoreError } from '../records/value-format';
import { waitUntil } from './change-source';
import { versionRecord } from './mesh-builder.testkit';
import type { MeshSnapshot } from './mesh-snapshot';
import { StoreMirror } from './store-mirror';

const { signal } = new AbortController();

let core: RegistryCore;
beforeEach(async () => {
  core = await RegistryCore.open();
});
afterEach(() => core.close());

const register = async (model: string) => core.catalog.register(versionRecord(`${model}@1`), 'ann', signal);
const names = ({ models }: MeshSnapshot) => [...models.keys()].sort();

/** A second mirror over the same store, whose first watch breaks in a way of the spec. */
async function brokenMirror(breakWatch: () => AsyncIterable<WatchBatch>) {
  const { keys, clock, mesh, store } = core;
  const troubles: unknown[] = [];
  const failures: Error[] = [];
  let watches = 0;
  const disturbed = new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'watch' && watches++ === 0) return breakWatch;
      return value;
    },
  });
  const mirror = new StoreMirror({
    store: disturbed,
    trust: core.trust,
    keys,
    clock,
    mesh,
    onFailed: (error) => failures.push(error),
    onTrouble: (error) => troubles.push(error),
  });
  const stopped = new AbortController();
  await mirror.start(stopped.signal);
  return {
    mirror,
    troubles,
    failures,
    close: async () => {
      stopped.abort();
      await mirror.stopped();
    },
  };
}

it.each([
  ['was compacted away', new CompactedError(5n)],
  ['broke', new Error('the connection is gone')],
])('reads again and misses nothing when the watch %s', async (_, error) => {
  await register('a');
  await core.worker('w1', ['a@1', 'ready']);
  const { mirror, troubles, failures, close } = await brokenMirror(async function* () {
    // What happens here, the watch never tells.
    await register('b');
    await core.store.commit({
      compares: [],
      writes: [{ delete: core.keys.reported('w1') }, { delete: core.keys.worker('w1') }],
    });
    throw error;
  });
  await waitUntil([mirror], () => mirror.snapshot.models.size === 2 || undefined, {
    clock: core.clock,
    signal,
    boundMs: 5_000,
  });
  expect(names(mirror.snapshot)).toEqual(['default/a', 'default/b']);
  expect([...mirror.snapshot.workers.values()]).toMatchObject([{ worker: undefined, desired: {} }]);
  expect({ troubles, failures }).toEqual({ troubles: [error], failures: [] });
  await register('c');
  await mirror.reached(core.mirror.snapshot.revision, signal, 5_000);
  expect(names(mirror.snapshot)).toEqual(['default/a', 'default/b', 'default/c']);
  await close();
});

it.each([
  ['a newer release writes', () => ({ v: 99 }), NewerStoreError],
  ['something else writes', () => ({ hello: 'world' }), CorruptValueError],
])('stops with a reason when %s to the store', async (_, value, kind) => {
  const bytes = new TextEncoder().encode(JSON.stringify(value()));
  await core.store.commit({ compares: [], writes: [{ put: core.keys.worker('w9'), value: bytes }] });
  await core.mirror.stopped();
  expect(core.failures).toEqual([expect.any(kind)]);
});

it('stops when the mesh under it becomes another', async () => {
  const value = meshFormat.encode({ id: 'another', createdAtMs: 1 });
  await core.store.commit({ compares: [], writes: [{ put: core.keys.mesh(), value }] });
  await core.mirror.stopped();
  expect(core.failures[0]?.message).toContain('the store is of another mesh (another)');
});

it('answers a wait for a revision that does not come when the bound has passed', async () => {
  expect(await core.mirror.reached(core.mirror.snapshot.revision + 1n, signal, 10)).toBe(false);
  expect(await core.mirror.reached(core.mirror.snapshot.revision, signal, 0)).toBe(true);
});
