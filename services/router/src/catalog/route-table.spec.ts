import { routeService } from '@bms/contracts';
import { RouteTable } from './route-table';
import { modelRoute, routeSnapshot, workerRoute } from './routes.testkit';

const snapshot = routeSnapshot(
  7,
  [
    modelRoute('digits', [{ version: 2, ready: ['w1', 'w2'] }, { version: 1 }], { active: 2, labels: { stable: 1 } }),
    modelRoute('digits', [{ version: 5 }], { tenant: 'acme' }),
  ],
  [workerRoute('w1'), workerRoute('w2')],
);
const table = RouteTable.of(snapshot);

const delta = (wish: Parameters<typeof routeService.RouteDelta.create>[0]) =>
  routeService.RouteDelta.create(wish ?? {});

describe('RouteTable', () => {
  it('finds models by tenant and name', () => {
    expect(table.model('default', 'digits')?.activeVersion).toBe(2);
    expect(table.model('acme', 'digits')?.activeVersion).toBeUndefined();
    expect(table.model('acme', 'other')).toBeUndefined();
    expect([...(table.model('default', 'digits')?.versions.keys() ?? [])]).toEqual([1, 2]);
  });

  it('replaces what a delta names and shares the rest', () => {
    const next = table.with(
      delta({
        revision: 9n,
        models: [modelRoute('digits', [{ version: 3 }], { active: 3 }), modelRoute('faces', [{ version: 1 }])],
        workers: [workerRoute('w2', 'elsewhere:1', 'w2-2'), workerRoute('w3')],
      }),
    );
    expect(next.revision).toBe(9n);
    expect(next.meshId).toBe('mesh-1');
    expect([...next.models.keys()].sort()).toEqual(['acme/digits', 'default/digits', 'default/faces']);
    expect([...(next.model('default', 'digits')?.versions.keys() ?? [])]).toEqual([3]);
    expect(next.model('acme', 'digits')).toBe(table.model('acme', 'digits'));
    expect([...next.workers.values()].map(({ address, incarnation }) => `${incarnation} ${address}`)).toEqual([
      'w1-1 w1:1',
      'w2-2 elsewhere:1',
      'w3-1 w3:1',
    ]);
    expect(table.revision).toBe(7n);
    expect([...table.workers.keys()]).toEqual(['w1', 'w2']);
  });

  it('removes what a delta removes', () => {
    const next = table.with(
      delta({ revision: 8n, removedModels: [{ tenant: 'acme', model: 'digits' }], removedWorkers: ['w1'] }),
    );
    expect([...next.models.keys()]).toEqual(['default/digits']);
    expect([...next.workers.keys()]).toEqual(['w2']);
  });

  it('is made equal again of its own message', () => {
    const changed = table.with(delta({ revision: 8n, workers: [workerRoute('w3')], removedWorkers: ['w1'] }));
    expect(RouteTable.of(changed.toSnapshot())).toEqual(changed);
    const bytes = routeService.RouteSnapshot.encode(table.toSnapshot()).finish();
    expect(routeService.RouteSnapshot.decode(bytes)).toEqual(snapshot);
  });

  it('finds the entry that stands for a version of another revision', () => {
    const old = table.model('default', 'digits')?.versions.get(2 as never);
    const next = table.with(delta({ revision: 8n, models: [modelRoute('digits', [{ version: 2, ready: [] }])] }));
    expect(old && next.versionLike(old)?.readyWorkers).toEqual([]);
    expect(
      old && table.with(delta({ revision: 8n, models: [modelRoute('digits', [])] })).versionLike(old),
    ).toBeUndefined();
  });
});
