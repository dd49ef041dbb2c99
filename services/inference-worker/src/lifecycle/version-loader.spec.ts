import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, settled } from '../manual-clock.testkit';
import { ProviderCannotRunError } from '../servables/executor';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { LoadJournal } from './load-journal';
import { MemoryLedger } from './memory-ledger';
import { DoesNotFitError, VersionLoader, type VersionLoaderParts } from './version-loader';
import type { WantedVersion } from './wanted-version';
import { wanted } from './wanted-version.testkit';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-loader-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function setUp(parts: Partial<VersionLoaderParts> = {}) {
  const memory = { resident: 1_000, total: 1_000_000 };
  const executors: FakeExecutor[] = [];
  const released: string[] = [];
  const artifacts: VersionLoaderParts['artifacts'] = {
    materialize: async ({ digest, entry }) => ({
      folder,
      entryPath: join(folder, entry),
      release: () => released.push(digest),
    }),
  };
  const journal = new LoadJournal(join(folder, 'journal'), undefined);
  const ledger = new MemoryLedger(
    {
      totalBytes: () => memory.total,
      availableBytes: () => Infinity,
      residentBytes: () => memory.resident,
    },
    0.5,
  );
  const loader = new VersionLoader({
    artifacts,
    makeExecutor: (spec) => {
      const executor = new FakeExecutor(spec);
      executor.answer = ({ inputs }) => ({ kind: 'answered', outputs: inputs, computeUs: 1 });
      executors.push(executor);
      return executor;
    },
    journal,
    ledger,
    clock: new ManualClock(),
    device: { provider: 'cpu', index: undefined },
    intraOpThreads: 3,
    executors: 0,
    concurrentRuns: 1,
    ...parts,
  });
  /** Another start of the process: what this one left in the journal counts as a death. */
  const restart = (): LoadJournal => new LoadJournal(join(folder, 'journal'), undefined);
  return { loader, executors, memory, released, restart };
}

const version = wanted('m', 1, { sizeBytes: 500 });
const { signal } = new AbortController();

describe('VersionLoader', () => {
  it('brings a version up: session, warm-up, measured memory; then lets go of the files', async () => {
    const { loader, executors, memory, released } = setUp();
    const phases: string[] = [];
    const bringing = loader.bringUp(version, signal, () => phases.push('warming'));
    await settled();
    expect([executors[0]?.spec?.modelFile, executors[0]?.spec?.intraOpThreads]).toEqual([
      join(folder, 'model.onnx'),
      3,
    ]);
    expect([phases, released]).toEqual([[], []]);
    memory.resident += 77;
    executors[0]?.loaded();
    const { servable, memoryBytes, unwarmed } = await bringing;
    expect({ id: servable.id, memoryBytes, unwarmed }).toEqual({
      id: version.id,
      memoryBytes: 77,
      unwarmed: undefined,
    });
    expect([phases, released]).toEqual([['warming'], [version.artifact.digest]]);
  });

  it('says that the model refused its warm-up, and brings it up all the same', async () => {
    const { loader, executors } = setUp();
    const bringing = loader.bringUp(version, signal, () => undefined);
    await settled();
    const [executor] = executors as [FakeExecutor];
    executor.answer = () => ({ kind: 'failed', message: 'no zeros, please', computeUs: 1 });
    executor.loaded();
    await expect(bringing).resolves.toMatchObject({ unwarmed: 'no zeros, please' });
  });

  it('refuses what is larger than the memory that is free, and what was measured to be', async () => {
    const { loader, executors, memory } = setUp();
    await expect(loader.bringUp(wanted('m', 2, { sizeBytes: 2_000_000 }), signal, () => undefined)).rejects.toThrow(
      new DoesNotFitError('it does not fit: its files alone take 2 MiB, and 1 MiB are free here'),
    );
    expect(executors).toEqual([]);
    const first = loader.bringUp(version, signal, () => undefined);
    await settled();
    memory.resident += 600_000;
    executors[0]?.loaded();
    await first;
    await expect(loader.bringUp(version, signal, () => undefined)).rejects.toThrow(/it took before/);
  });

  it('closes the executor of a load that fails or is given up, and blames nobody for it', async () => {
    const { loader, executors, restart } = setUp();
    const failing = loader.bringUp(version, signal, () => undefined);
    failing.catch(() => undefined);
    await settled();
    executors[0]?.failLoad('Protobuf parsing failed.');
    await expect(failing).rejects.toThrow('Protobuf parsing failed.');
    const enough = new AbortController();
    const givenUp = loader.bringUp(version, enough.signal, () => undefined);
    givenUp.catch(() => undefined);
    await settled();
    enough.abort(new Error('not wanted'));
    await expect(givenUp).rejects.toThrow('not wanted');
    expect(executors.map(({ closed }) => closed)).toEqual([true, true]);
    expect(restart().quarantine(version)).toBeUndefined();
  });

  it('leaves in the journal that it loads, for the case that the process dies of it', async () => {
    for (let death = 0; death < 2; death++) {
      const { loader } = setUp();
      loader.bringUp(version, signal, () => undefined).catch(() => undefined);
      await settled();
    }
    expect(setUp().restart().quarantine(version)).toMatch(/^quarantined: /);
  });

  describe('with several sessions', () => {
    /** The executor that is made as the so many-th: there once those before it are warmed up. */
    async function made(executors: readonly FakeExecutor[], at: number): Promise<FakeExecutor> {
      while (executors.length <= at) await settled();
      return executors[at] as FakeExecutor;
    }

    it('loads as many as the worker is told, counts the memory of all, and gives each a mark of its own', async () => {
      const { loader, executors, memory } = setUp({ executors: 3, concurrentRuns: 4 });
      const bringing = loader.bringUp(version, signal, () => undefined);
      for (let at = 0; at < 3; at++) {
        const executor = await made(executors, at);
        memory.resident += 100;
        executor.loaded();
      }
      const { servable, memoryBytes } = await bringing;
      expect([servable.executors, memoryBytes, executors.length]).toEqual([3, 300, 3]);
      expect(executors.map(({ spec }) => spec?.runMark?.byteOffset)).toEqual([0, 1, 2]);
    });

    it('takes the word of the version before that of the worker, and no more than may run at once', async () => {
      const { loader, executors } = setUp({ executors: 1, concurrentRuns: 2 });
      const bringing = loader.bringUp(wanted('m', 1, { config: { executors: 8 } }), signal, () => undefined);
      for (let at = 0; at < 2; at++) {
        (await made(executors, at)).loaded();
      }
      expect((await bringing).servable.executors).toBe(2);
    });

    it('holds with fewer where memory ends, and needs no more than one takes to be loaded again', async () => {
      const { loader, executors, memory } = setUp({ executors: 2, concurrentRuns: 2 });
      const first = loader.bringUp(version, signal, () => undefined);
      const executor = await made(executors, 0);
      memory.resident += 600_000; // of a million
      executor.loaded();
      expect((await first).servable.executors).toBe(1);
      memory.resident -= 600_000;
      const again = loader.bringUp(version, signal, () => undefined);
      (await made(executors, 1)).loaded();
      (await made(executors, 2)).loaded();
      expect((await again).servable.executors).toBe(2);
    });

    it('closes all of them where one cannot be loaded', async () => {
      const { loader, executors } = setUp({ executors: 2, concurrentRuns: 2 });
      const bringing = loader.bringUp(version, signal, () => undefined);
      bringing.catch(() => undefined);
      (await made(executors, 0)).loaded();
      (await made(executors, 1)).failLoad('no memory for a second one');
      await expect(bringing).rejects.toThrow('no memory for a second one');
      expect(executors.map(({ closed }) => closed)).toEqual([true, true]);
    });
  });

  describe('on a GPU', () => {
    const webgpu = { provider: 'webgpu', index: undefined };
    const cannot = new ProviderCannotRunError('This session contains graph nodes that are assigned to the CPU.');
    const wish = (device: string, fallback = ''): WantedVersion =>
      wanted('m', 1, {
        config: { device, fallback, providerOptions: { webgpu: { options: { preferredLayout: 'NHWC' } } } },
      });

    it("gives the session the options of its device's provider, and says where it runs", async () => {
      const { loader, executors } = setUp({ device: webgpu });
      const bringing = loader.bringUp(wish('gpu'), signal, () => undefined);
      await settled();
      expect(executors[0]?.spec?.providerOptions).toEqual({ preferredLayout: 'NHWC' });
      executors[0]?.loaded();
      await expect(bringing).resolves.toMatchObject({ provider: 'webgpu', fellBack: false });
    });

    it('loads a second time, on the CPU, what the device cannot run, where the config allows it, and says so', async () => {
      const said: string[] = [];
      const { loader, executors } = setUp({ device: webgpu, onFallback: (_, why) => said.push(why) });
      const bringing = loader.bringUp(wish('gpu', 'cpu'), signal, () => undefined);
      await settled();
      executors[0]?.rejectLoad(cannot);
      await settled();
      expect([executors[0]?.closed, executors[1]?.spec?.device.provider]).toEqual([true, 'cpu']);
      expect(executors[1]?.spec?.providerOptions).toEqual({});
      executors[1]?.loaded();
      await expect(bringing).resolves.toMatchObject({ provider: 'cpu', fellBack: true });
      expect(said).toEqual([expect.stringMatching(/^webgpu cannot run it as a whole: This session/)]);
    });

    it('takes nothing else where the config does not allow it, and names the way out', async () => {
      const { loader, executors } = setUp({ device: webgpu });
      const bringing = loader.bringUp(wish(''), signal, () => undefined);
      await settled();
      executors[0]?.rejectLoad(cannot);
      await expect(bringing).rejects.toThrow(/webgpu cannot run it .*"fallback": "cpu" in its config/);
      expect(executors).toHaveLength(1);
    });

    it('does not fall back from any other failure', async () => {
      const { loader, executors } = setUp({ device: webgpu });
      const bringing = loader.bringUp(wish('gpu', 'cpu'), signal, () => undefined);
      await settled();
      executors[0]?.failLoad('Protobuf parsing failed.');
      await expect(bringing).rejects.toThrow('Protobuf parsing failed.');
      expect(executors).toHaveLength(1);
    });

    it('refuses a version that wishes for another device', async () => {
      const { loader } = setUp({ device: webgpu });
      const bringing = loader.bringUp(wish('cuda', 'cpu'), signal, () => undefined);
      await expect(bringing).rejects.toThrow('it is to run on cuda, and this worker runs on webgpu');
      await expect(setUp().loader.bringUp(wish('gpu'), signal, () => undefined)).rejects.toThrow(
        'it is to run on gpu, and this worker runs on cpu',
      );
    });

    it("goes by the device's own memory where that is measured", async () => {
      const deviceMemory = { used: 0 };
      const deviceLedger = {
        measure: async () => ({ end: async () => deviceMemory.used }),
        freeBytes: () => 2 ** 20,
      };
      const { loader, executors, memory } = setUp({ device: webgpu, deviceLedger });
      const bringing = loader.bringUp(wish('gpu'), signal, () => undefined);
      await settled();
      deviceMemory.used = 123;
      memory.resident += 77;
      executors[0]?.loaded();
      await expect(bringing).resolves.toMatchObject({ memoryBytes: 123 });
      const large = wanted('m', 2, { sizeBytes: 2 ** 21 });
      await expect(loader.bringUp(large, signal, () => undefined)).rejects.toThrow('and 1 MiB are free here');
    });
  });
});
