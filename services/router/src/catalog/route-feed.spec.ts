import { routeService } from '@bms/contracts';
import { judgeFeed } from './route-feed';
import { RouteTable } from './route-table';
import { routeSnapshot, workerRoute } from './routes.testkit';

const held = RouteTable.of(routeSnapshot(10, [], [workerRoute('w1')]));
const snapshot = (revision: number, meshId = 'mesh-1'): routeService.WatchRoutesResponse => ({
  kind: { $case: 'snapshot', value: routeSnapshot(revision, [], [workerRoute('w2')], meshId) },
});
const delta = (revision: bigint): routeService.WatchRoutesResponse => ({
  kind: { $case: 'delta', value: routeService.RouteDelta.create({ revision, removedWorkers: ['w1'] }) },
});

describe('judgeFeed', () => {
  it.each([
    ['a first snapshot', undefined, snapshot(3), false, 'use'],
    ['a newer snapshot', held, snapshot(11), false, 'use'],
    ['a snapshot of the same revision', held, snapshot(10), false, 'use'],
    ['an older snapshot', held, snapshot(9), false, 'behind'],
    ["another mesh's snapshot", held, snapshot(11, 'mesh-2'), false, 'foreign'],
    ['a newer delta', held, delta(11n), true, 'use'],
    ['a delta that is known already', held, delta(10n), true, 'keep'],
    ['word, instead of a snapshot, that nothing has changed', held, delta(10n), false, 'current'],
    ['a message of a later version', held, {}, true, 'keep'],
  ])('%s', (_name, table, message, opened, kind) => {
    expect(judgeFeed(table, message, opened).kind).toBe(kind);
  });

  it('makes the next table', () => {
    const verdict = judgeFeed(held, delta(11n), true);
    expect(verdict.kind === 'use' && [verdict.table.revision, verdict.table.workers.size]).toEqual([11n, 0]);
  });

  it.each([
    ['without routes', undefined, true],
    ['before the snapshot of its stream', held, false],
  ])('refuses a delta %s', (_name, table, opened) => {
    expect(() => judgeFeed(table, delta(11n), opened)).toThrow('a delta before a snapshot');
  });
});
