import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { FolderBlobStore } from '@bms/artifacts';
import { DEFAULT_TENANT } from '@bms/contracts';
import { Housekeeping, HOUSEKEEPING_INTERVAL_MS } from './housekeeping';
import { ManualClock } from './manual-clock.testkit';
import { BLOB_IDLE_MS, sweepBlobs } from './models/blob-sweep';
import { SOLE_REGISTRY } from './placement/leadership';
import { desiredFormat } from './records/values';
import { RegistryCore } from './registry-core.testkit';
import { sha256Of } from './running-registry.testkit';
import { versionRecord } from './watch/mesh-builder.testkit';
import { FORGET_AFTER_MS, forgetWorkers } from './workers/desired-sweep';

const { signal } = new AbortController();

describe('Housekeeping', () => {
  it('does every task once an hour, whatever became of the one before, and only where it leads', async () => {
    const clock = new ManualClock();
    const done: string[] = [];
    const troubles: unknown[] = [];
    let leads = true;
    const housekeeping = new Housekeeping({
      clock,
      leadership: { ...SOLE_REGISTRY, leads: () => leads },
      tasks: [
        async () => {
          done.push('first');
          throw new Error('no disk');
        },
        async () => void done.push('second'),
      ],
      onTrouble: (error) => troubles.push(error),
    });
    housekeeping.start();
    clock.advance(HOUSEKEEPING_INTERVAL_MS - 1);
    expect(done).toEqual([]);
    clock.advance(1);
    await housekeeping['running'];
    leads = false;
    clock.advance(HOUSEKEEPING_INTERVAL_MS);
    await housekeeping.close();
    expect(done).toEqual(['first', 'second']);
    expect(troubles).toEqual([new Error('no disk')]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('with a store', () => {
  let core: RegistryCore;
  beforeEach(async () => {
    core = await RegistryCore.open();
  });
  afterEach(() => core.close());

  it('deletes the bytes that no version refers to, and nobody asked for in a day', async () => {
    let nowMs = Date.now();
    const blobs = new FolderBlobStore(join(core.folder, 'blobs'), () => nowMs);
    async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
      yield bytes;
    }
    const [kept, deleted, loose] = await Promise.all(
      [1, 2, 3].map(async () => {
        const bytes = randomBytes(100);
        const sha256 = sha256Of(bytes);
        await blobs.write(sha256, bytes.length, 0, once(bytes));
        return sha256;
      }),
    );
    const key = { tenant: DEFAULT_TENANT, model: 'm' };
    for (const sha256 of [kept, deleted]) {
      const { artifact, ...rest } = versionRecord('m@1');
      const files = [{ path: 'model.onnx', sizeBytes: 100, sha256: sha256 ?? '' }];
      await core.catalog.register({ ...rest, artifact: { ...artifact, files } }, 'ann', signal);
    }
    await core.catalog.setState(key, 2, 'deleted', false, signal);
    expect(await sweepBlobs(core.store, core.keys, blobs, SOLE_REGISTRY, signal)).toBe(0);
    nowMs += BLOB_IDLE_MS + 60_000;
    expect(await sweepBlobs(core.store, core.keys, blobs, SOLE_REGISTRY, signal)).toBe(2);
    const states = await Promise.all(
      [kept, deleted, loose].map(async (sha256) => (await blobs.stat(sha256 ?? '')).kind),
    );
    expect(states).toEqual(['complete', 'absent', 'absent']);
  });

  it('forgets the empty desired sets of workers that have been gone for a week, and no others', async () => {
    const nowMs = FORGET_AFTER_MS + 10;
    const empty = { generation: 7, versions: [] };
    const held = { generation: 7, versions: [{ tenant: 'default', model: 'm', version: 1 }] };
    await core.worker('w-here');
    await core.store.commit({
      compares: [],
      writes: [
        { put: core.keys.desired('w-here'), value: desiredFormat.encode({ ...empty, changedAtMs: 1 }) },
        { put: core.keys.desired('w-gone'), value: desiredFormat.encode({ ...empty, changedAtMs: 1 }) },
        { put: core.keys.desired('w-lately'), value: desiredFormat.encode({ ...empty, changedAtMs: 11 }) },
        { put: core.keys.desired('w-wanted'), value: desiredFormat.encode({ ...held, changedAtMs: 1 }) },
      ],
    });
    await core.until(({ workers }) => (workers.size === 4 ? true : undefined));
    const { store, keys, mirror } = core;
    expect(await forgetWorkers(store, keys, SOLE_REGISTRY, mirror.snapshot, nowMs, signal)).toBe(1);
    await core.until(({ workers }) => (workers.size === 3 ? true : undefined));
    expect([...mirror.snapshot.workers.keys()].sort()).toEqual(['w-here', 'w-lately', 'w-wanted']);
  });
});
