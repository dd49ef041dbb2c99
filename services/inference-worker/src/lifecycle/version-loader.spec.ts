import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, settled } from '../manual-clock.testkit';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { LoadJournal } from './load-journal';
import { MemoryLedger } from './memory-ledger';
import { DoesNotFitError, VersionLoader, type VersionLoaderParts } from './version-loader';
import { wanted } from './wanted-version.testkit';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-loader-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function setUp() {
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
});
