import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { models, workerService } from '@bms/contracts';
import { ManualClock, settled } from '../manual-clock.testkit';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { Servable } from '../servables/servable';
import { ServableSet } from '../servables/servable-set';
import { LoadJournal } from './load-journal';
import { MemoryLedger } from './memory-ledger';
import { Reconciler } from './reconciler';
import { DoesNotFitError, type BroughtUp } from './version-loader';
import { desiredVersion, wanted } from './wanted-version.testkit';
import { StuckError } from '../servables/or-stuck';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-reconciler-'))));
afterEach(() => rmSync(folder, { recursive: true }));

interface Load {
  readonly id: string;
  readonly signal: AbortSignal;
  readonly executor: FakeExecutor;
  readonly warming: () => void;
  readonly succeed: (unwarmed?: string) => void;
  readonly fail: (error: Error) => void;
}

function setUp() {
  const clock = new ManualClock(1_000);
  const servables = new ServableSet();
  const memory = { resident: 0 };
  const loads: Load[] = [];
  const restarts: string[] = [];
  /** Whether the thread of a load goes on when the load is given up. */
  const givenUp = { asStuck: false };
  const onCpu = { provider: 'cpu', fellBack: false };
  const journal = new LoadJournal(join(folder, 'journal'), undefined);
  const reconciler = new Reconciler({
    loader: {
      bringUp: (version, signal, warming) =>
        new Promise<BroughtUp>((resolve, reject) => {
          const executor = new FakeExecutor();
          const servable = new Servable(version.ref, version.signature, executor);
          const succeed = (unwarmed?: string): void => resolve({ servable, memoryBytes: 5, unwarmed, ...onCpu });
          signal.addEventListener('abort', () =>
            reject(givenUp.asStuck ? new StuckError('it does not return', executor.ended) : (signal.reason as Error)),
          );
          loads.push({ id: version.id, signal, executor, warming, succeed, fail: reject });
        }),
    },
    servables,
    journal,
    ledger: new MemoryLedger(
      { totalBytes: () => 8 * 2 ** 30, availableBytes: () => Infinity, residentBytes: () => memory.resident },
      0.5,
    ),
    clock,
    localFolders: ['/home/me/cache'],
    requestRestart: (reason) => restarts.push(reason),
    say: () => undefined,
  });
  let generation = 0n;
  const desire = async (...versions: workerService.DesiredVersion[]): Promise<void> => {
    generation += 1n;
    reconciler.apply(workerService.DesiredSet.create({ generation, versions }));
    await settled();
  };
  /** `a@1 READY`, one line a replica. */
  const present = (): string[] =>
    reconciler.present().map(({ ref, state, reason }) => {
      const name = models.replicaStateToJSON(state).replace('REPLICA_STATE_', '');
      return `${ref?.model}@${ref?.version} ${name}${reason === '' ? '' : `: ${reason}`}`;
    });
  const load = (at: number): Load => {
    const found = loads[at];
    if (found === undefined) throw new Error(`no load ${at}`);
    return found;
  };
  return { clock, servables, memory, loads, load, restarts, reconciler, desire, present, journal, givenUp };
}

const [a, b, c] = [desiredVersion('a', 1), desiredVersion('b', 1), desiredVersion('c', 1)];

describe('Reconciler', () => {
  it('brings up what is desired, two at a time, and tells each step', async () => {
    const { reconciler, desire, present, load, servables } = setUp();
    const seen: string[][] = [];
    reconciler.onChange(() => seen.push(present()));
    await desire(a, b, c);
    expect(present()).toEqual(['a@1 LOADING', 'b@1 LOADING']);
    load(0).warming();
    await settled();
    expect(present()).toEqual(['a@1 WARMING', 'b@1 LOADING']);
    load(0).succeed();
    load(1).succeed('no zeros, please');
    await settled();
    expect(present()).toEqual(['a@1 READY', 'b@1 READY: no zeros, please', 'c@1 LOADING']);
    expect(reconciler.present()[1]).toMatchObject({ unwarmed: true, memoryBytes: 5n, sinceMs: 1_000n });
    expect(seen.at(-1)).toEqual(present());
    expect(reconciler.generation).toBe(1n);
    expect(servables.size).toBe(2);
  });

  it('ignores a generation below one that it has seen', async () => {
    const { reconciler, desire, present } = setUp();
    await desire(a);
    await desire(a);
    expect(reconciler.apply(workerService.DesiredSet.create({ generation: 1n }))).toBe(false);
    await settled();
    expect([present(), reconciler.generation]).toEqual([['a@1 LOADING'], 2n]);
  });

  it('drains what is not desired any more: refuses at once, closes when what is in flight has ended', async () => {
    const { desire, present, load, servables } = setUp();
    await desire(a);
    load(0).succeed();
    await settled();
    const servable = servables.find(wanted('a', 1).id);
    const release = servable?.acquire();
    await desire();
    expect(present()).toEqual(['a@1 DRAINING']);
    expect(servables.size).toBe(0);
    expect(() => servable?.acquire()).toThrow('being taken off');
    expect(load(0).executor.closed).toBe(false);
    release?.();
    await settled();
    expect(load(0).executor.closed).toBe(true);
    expect(present()).toEqual([]);
  });

  it('closes a version after 30 s of draining, whatever is in flight', async () => {
    const { clock, desire, present, load, servables } = setUp();
    await desire(a);
    load(0).succeed();
    await settled();
    servables.find(wanted('a', 1).id)?.acquire();
    await desire();
    await clock.advance(29_999);
    expect(present()).toEqual(['a@1 DRAINING']);
    await clock.advance(1);
    expect(present()).toEqual([]);
  });

  it('gives up a load that is not desired any more', async () => {
    const { desire, present, load } = setUp();
    await desire(a);
    await desire();
    expect(load(0).signal.aborted).toBe(true);
    expect(present()).toEqual([]);
  });

  it('loads a version anew when its files have changed', async () => {
    const { desire, present, load, loads } = setUp();
    await desire(a);
    load(0).succeed();
    await settled();
    await desire(desiredVersion('a', 1, { digest: 'other' }));
    expect(load(0).executor.closed).toBe(true);
    expect(loads).toHaveLength(2);
    load(1).succeed();
    await settled();
    expect(present()).toEqual(['a@1 READY']);
  });

  it('tells at once why a load failed, goes on with the others, and tries again after 5 s, 10 s, …', async () => {
    const { clock, desire, present, load, loads } = setUp();
    await desire(a, b, c);
    load(0).fail(new Error("ENOSPC, open '/home/me/cache/model'"));
    load(1).succeed();
    await settled();
    expect(present()).toEqual(["a@1 FAILED: ENOSPC, open '…/model'", 'b@1 READY', 'c@1 LOADING']);
    await clock.advance(4_999);
    expect(loads).toHaveLength(3);
    await clock.advance(1);
    expect(load(3).id).toBe('default/a@1');
    load(3).fail(new Error('still'));
    await settled();
    await clock.advance(9_999);
    expect(loads).toHaveLength(4);
    await clock.advance(1);
    load(4).succeed();
    await settled();
    expect(present()[0]).toBe('a@1 READY');
  });

  it('tries a failed version again at once when a new desired set names it', async () => {
    const { desire, load, loads } = setUp();
    await desire(a);
    load(0).fail(new Error('no'));
    await settled();
    await desire(a);
    expect(loads).toHaveLength(2);
  });

  it('does not try again what did not return, before it is desired anew', async () => {
    const { clock, reconciler, desire, load, loads } = setUp();
    await desire(a);
    load(0).fail(new StuckError('its warm-up run did not return within 60 s'));
    await clock.advance(600_000);
    await desire(a);
    expect(loads).toHaveLength(1);
    expect(reconciler.stuck).toBe(true);
    await desire();
    await desire(a);
    expect(loads).toHaveLength(2);
  });

  it('marks a replica failed whose executor is lost, and brings it up again; others go on', async () => {
    const { clock, desire, present, load, servables } = setUp();
    await desire(a, b);
    load(0).succeed();
    load(1).succeed();
    await settled();
    load(0).executor.lose('its thread ended by itself (code 1)');
    await settled();
    expect(present()).toEqual(['a@1 FAILED: it broke: its thread ended by itself (code 1)', 'b@1 READY']);
    expect(servables.size).toBe(1);
    await clock.advance(5_000);
    load(2).succeed();
    await settled();
    expect(present()).toEqual(['a@1 READY', 'b@1 READY']);
  });

  it('gives up a replica whose run does not return, and asks for a new process', async () => {
    const { reconciler, desire, present, load, restarts, servables } = setUp();
    await desire(a, b);
    load(0).succeed();
    await settled();
    servables.find(wanted('a', 1).id)?.declareStuck();
    await settled();
    expect(present()).toEqual(['a@1 FAILED: it broke: a run of it does not return', 'b@1 LOADING']);
    expect([servables.size, reconciler.stuck]).toEqual([0, true]);
    expect(restarts).toEqual(['a run of default/a@1 does not return']);
  });

  it('asks for a new process when a warm-up run does not return, and goes on with the others meanwhile', async () => {
    const { desire, present, load, restarts } = setUp();
    await desire(a, b, c);
    load(0).fail(new StuckError('its warm-up run did not return within 60 s'));
    load(1).succeed();
    await settled();
    expect(present()).toEqual(['a@1 FAILED: its warm-up run did not return within 60 s', 'b@1 READY', 'c@1 LOADING']);
    expect(restarts).toEqual(['a warm-up run of default/a@1 does not return']);
  });

  it.each([
    ['ends within 60 s', true, []],
    ['does not end within 60 s', false, ['a given-up load of default/a@1 does not end']],
  ])('asks for a new process only where the thread of a given-up load does not end: %s', async (_, ends, expected) => {
    const { clock, desire, present, load, restarts, givenUp } = setUp();
    givenUp.asStuck = true;
    await desire(a);
    await desire();
    expect(present()).toEqual([]);
    await clock.advance(59_999);
    expect(restarts).toEqual([]);
    if (ends) load(0).executor.end();
    await settled();
    await clock.advance(1);
    expect(restarts).toEqual(expected);
  });

  it.each([
    ['while it is warmed up', 'load', /^a@1 FAILED: quarantined: .*2 times while it was loaded/],
    ['while it serves', 'service', /^a@1 FAILED: quarantined: .*2 times while it ran/],
  ])('holds a version back whose run did not return %s in two processes', async (_, during, message) => {
    for (let start = 0; start < 2; start++) {
      const { desire, load, loads, restarts, servables, journal, reconciler } = setUp();
      journal.beginLoad(wanted('a', 1)); // as the loader does
      await desire(a);
      expect(loads).toHaveLength(1);
      if (during === 'load') {
        load(0).fail(new StuckError('its warm-up run did not return within 60 s'));
      } else {
        journal.endLoad(wanted('a', 1), true);
        load(0).succeed();
        await settled();
        servables.find(wanted('a', 1).id)?.declareStuck();
      }
      await settled();
      expect(restarts).toHaveLength(1);
      await reconciler.close(AbortSignal.abort());
      journal.close();
    }
    const { desire, present, loads, restarts } = setUp();
    await desire(a);
    expect(present()).toEqual([expect.stringMatching(message)]);
    expect([loads, restarts]).toEqual([[], []]);
  });

  it('holds a version back that two processes died of, until it is desired anew', async () => {
    const { desire, present, loads } = setUpAfterDeaths(2);
    await desire(a, b);
    expect(present()).toEqual([expect.stringMatching(/^a@1 FAILED: quarantined: /), 'b@1 LOADING']);
    await desire(a, b);
    expect(loads.map(({ id }) => id)).toEqual(['default/b@1']);
    await desire(b);
    await desire(a, b);
    expect(present()).toEqual(['b@1 LOADING', 'a@1 LOADING']);
  });

  it('asks for a new process when a version does not fit because memory is held for nothing', async () => {
    const { desire, load, memory, restarts } = setUp();
    await desire(a, b);
    load(0).fail(new DoesNotFitError('it does not fit'));
    await settled();
    expect(restarts).toEqual([]);
    memory.resident = 5 * 2 ** 30;
    load(1).fail(new DoesNotFitError('it does not fit'));
    await settled();
    expect(restarts).toEqual(['memory is fragmented']);
  });

  it('closes: drains all, or cuts it short', async () => {
    const { reconciler, desire, present, load, servables } = setUp();
    await desire(a, b);
    load(0).succeed();
    await settled();
    servables.find(wanted('a', 1).id)?.acquire();
    const now = new AbortController();
    const closing = reconciler.close(now.signal);
    await settled();
    expect(present()).toEqual(['a@1 DRAINING']);
    now.abort();
    await closing;
    expect(present()).toEqual([]);
    await desire(a);
    expect(present()).toEqual([]);
  });
});

function setUpAfterDeaths(deaths: number): ReturnType<typeof setUp> {
  for (let death = 0; death < deaths; death++) {
    new LoadJournal(join(folder, 'journal'), undefined).beginLoad(wanted('a', 1));
  }
  return setUp();
}
