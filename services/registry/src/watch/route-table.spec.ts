import { models, type routeService } from '@bms/contracts';
import { MeshBuilder } from './mesh-builder.testkit';
import { EMPTY_ROUTE_TABLE, nextRouteTable, routeDelta, routeSnapshot, type RouteTable } from './route-table';

/** A mesh whose route table follows each change. */
class RoutedMesh {
  readonly mesh = new MeshBuilder();
  table: RouteTable = EMPTY_ROUTE_TABLE;

  /** One change; answers the delta that a router would get. */
  change(build: (mesh: MeshBuilder) => void): routeService.RouteDelta {
    const before = this.table;
    this.mesh.together(build);
    this.table = nextRouteTable(before, this.mesh.snapshot, this.mesh.lastChange);
    const { kind } = routeDelta(before, this.table);
    if (kind?.$case !== 'delta') throw new Error('no delta');
    return kind.value;
  }

  version(model: string, number: number): routeService.VersionRoute | undefined {
    return this.table.models
      .get(`default/${model}` as never)
      ?.versions.find(({ version }) => version === BigInt(number));
  }
}

function serving(): RoutedMesh {
  const routed = new RoutedMesh();
  routed.change((mesh) => mesh.model('m').version('m@1').model('n').version('n@1').worker('w1').worker('w2'));
  routed.change((mesh) => mesh.desired('w1', 'm@1').reported('w1', 100, ['m@1', 'ready']));
  return routed;
}

describe('the route table', () => {
  it('has every version but the deleted ones, and every live worker', () => {
    const routed = new RoutedMesh();
    routed.change((mesh) =>
      mesh
        .model('m', { activeVersion: 2, labels: { stable: 2, canary: 3 } })
        .version('m@1', { state: 'deleted' })
        .version('m@3', { state: 'registered' })
        .version('m@2')
        .worker('w1'),
    );
    const { kind } = routeSnapshot(routed.table, 'mesh-1', 0n);
    expect(kind?.value).toMatchObject({
      meshId: 'mesh-1',
      models: [
        {
          tenant: 'default',
          model: 'm',
          activeVersion: 2n,
          labels: { stable: 2n, canary: 3n },
          versions: [
            { version: 2n, state: models.VersionState.PUBLISHED, readyWorkers: [] },
            { version: 3n, state: models.VersionState.REGISTERED, notReadyReason: '' },
          ],
        },
      ],
      workers: [{ workerId: 'w1', incarnation: 'w1-first', address: 'w1:8800', provider: 'cpu' }],
    });
    expect(routed.version('m', 2)?.signature?.inputs[0]?.shape).toEqual([-1n, 4n]);
  });

  it('routes to a worker that holds the version ready', () => {
    expect(serving().version('m', 1)).toMatchObject({ readyWorkers: ['w1'], notReadyReason: '' });
  });

  it.each<[string, (mesh: MeshBuilder) => unknown, string]>([
    ['it is loading', (mesh) => mesh.reported('w1', 100, ['m@1', 'loading']), 'it is being loaded by a worker'],
    [
      'two load it',
      (mesh) => mesh.desired('w2', 'm@1').reported('w1', 100, ['m@1', 'warming']),
      'it is being loaded by 2 workers',
    ],
    [
      'it could not be loaded',
      (mesh) => mesh.reported('w1', 100, ['m@1', 'failed', { reason: 'bad weights' }]),
      'it could not be loaded: bad weights',
    ],
    ['the worker drains', (mesh) => mesh.worker('w1', { draining: true }), 'no worker has been found for it yet'],
    ['the worker is gone', (mesh) => mesh.gone('w1'), 'no worker has been found for it yet'],
    [
      'the version is being retired there',
      (mesh) => mesh.desired('w1', ['m@1', 7]),
      'no worker has been found for it yet',
    ],
    [
      'the worker holds it although it is not desired',
      (mesh) => mesh.desired('w1'),
      'no worker has been found for it yet',
    ],
    [
      'another incarnation has not reported yet',
      (mesh) => mesh.worker('w1', { incarnation: 'w1-second' }),
      'it is being loaded by a worker',
    ],
    ['the version is offline', (mesh) => mesh.version('m@1', { state: 'offline' }), ''],
  ])('does not route where %s', (_, build, reason) => {
    const routed = serving();
    const delta = routed.change(build);
    expect(routed.version('m', 1)).toMatchObject({ readyWorkers: [], notReadyReason: reason });
    expect(delta.models.map(({ model }) => model)).toEqual(['m']);
  });

  it('routes on to a worker whose stream is broken while its lease lives', () => {
    const routed = serving();
    const delta = routed.change((mesh) => mesh.worker('w1', { attached: false }));
    expect(routed.version('m', 1)?.readyWorkers).toEqual(['w1']);
    expect(delta).toMatchObject({ models: [], workers: [] });
  });

  it('sends one label change as that one model, whatever else there is', () => {
    const routed = serving();
    routed.change((mesh) => {
      for (let at = 0; at < 500; at++) mesh.model(`other-${at}`);
    });
    const delta = routed.change((mesh) => mesh.model('m', { labels: { stable: 1 } }));
    expect(delta).toMatchObject({ models: [{ model: 'm', labels: { stable: 1n } }], workers: [], removedWorkers: [] });
    expect(delta.models).toHaveLength(1);
    expect(delta.revision).toBe(routed.mesh.snapshot.revision);
  });

  it('says which workers are new, changed and gone', () => {
    const routed = serving();
    const delta = routed.change((mesh) => mesh.gone('w1').worker('w2', { address: 'elsewhere:1' }).worker('w3'));
    expect(delta.removedWorkers).toEqual(['w1']);
    expect(delta.workers.map(({ workerId, address }) => `${workerId} ${address}`).sort()).toEqual([
      'w2 elsewhere:1',
      'w3 w3:8800',
    ]);
  });

  it('removes a model that is gone', () => {
    const routed = serving();
    const delta = routed.change((mesh) =>
      mesh.delete('/bms/main/models/default/n').delete(`/bms/main/versions/default/n/${'1'.padStart(16, '0')}`),
    );
    expect(delta.removedModels).toEqual([{ tenant: 'default', model: 'n' }]);
  });

  it('moves the revision on without a change of the routes when only memory was reported', () => {
    const routed = serving();
    const { changedRevision, models: before } = routed.table;
    routed.change((mesh) => mesh.reported('w1', 90, ['m@1', 'ready']));
    expect(routed.table).toMatchObject({ changedRevision, revision: routed.mesh.snapshot.revision });
    expect(routed.table.models).toBe(before);
  });

  it('comes out the same step by step as at once', () => {
    const steps = serving();
    steps.change((mesh) => mesh.desired('w2', 'm@1').reported('w2', 50, ['m@1', 'ready']));
    steps.change((mesh) => mesh.gone('w1'));
    const { snapshot } = steps.mesh;
    const everything = { models: new Set(snapshot.models.keys()), workers: new Set(snapshot.workers.keys()) };
    const atOnce = nextRouteTable(EMPTY_ROUTE_TABLE, snapshot, everything);
    expect([...atOnce.models.entries()]).toEqual([...steps.table.models.entries()]);
    expect([...atOnce.workers.entries()]).toEqual([...steps.table.workers.entries()]);
  });
});
