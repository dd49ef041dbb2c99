import { meshService, models } from '@bms/contracts';
import { readinessOf, type WantedMesh } from './predictions-flow';

const { PUBLISHED, OFFLINE } = models.VersionState;
const { READY, LOADING, FAILED } = models.ReplicaState;
const WANTED: WantedMesh = { workers: 2, routers: ['127.0.0.1:1'], registries: 1 };
const ref = { tenant: 'default', model: 'm', version: 1n };

function status(
  attached: readonly boolean[],
  replica?: { state: models.ReplicaState; reason?: string },
  version: { state?: models.VersionState; ready?: number; note?: string } = {},
): meshService.GetMeshStatusResponse {
  return meshService.GetMeshStatusResponse.create({
    routers: [{ routerId: 'r' }],
    workers: attached.map((isAttached) => ({
      attached: isAttached,
      replicas: replica === undefined ? [] : [{ ref, state: replica.state, reason: replica.reason ?? '' }],
    })),
    versions: [
      { ref, state: version.state ?? PUBLISHED, readyReplicas: version.ready ?? 0, placementNote: version.note ?? '' },
    ],
  });
}

describe('readinessOf', () => {
  it.each([
    ['workers are missing', status([true, false]), { kind: 'waiting', missing: '1 of 2 workers have not attached' }],
    [
      'a published version is loading',
      status([true, true], { state: LOADING }),
      { kind: 'waiting', missing: 'not ready yet: default/m@1' },
    ],
    [
      'a published version is not placed yet',
      status([true, true]),
      { kind: 'waiting', missing: 'not ready yet: default/m@1' },
    ],
    ['a version is ready somewhere', status([true, true], { state: READY }, { ready: 1 }), { kind: 'ready' }],
    ['a version is offline', status([true, true], undefined, { state: OFFLINE }), { kind: 'ready' }],
    [
      'a version failed everywhere',
      status([true, true], { state: FAILED, reason: 'no such operator' }),
      { kind: 'ready-without', failures: ['default/m@1: no such operator'] },
    ],
    [
      'a version fits nowhere',
      status([true, true], undefined, { note: 'needs 90 GiB, 4 GiB are free' }),
      { kind: 'ready-without', failures: ['default/m@1: needs 90 GiB, 4 GiB are free'] },
    ],
  ])('knows when %s', (_name, given, readiness) => {
    expect(readinessOf(given, WANTED)).toEqual(readiness);
  });

  it('waits for a router', () => {
    expect(readinessOf({ ...status([true, true]), routers: [] }, WANTED)).toMatchObject({ kind: 'waiting' });
  });

  it.each([
    [{}, '1 of 2 routers have not asked for the routes yet'],
    [
      { registries: [{ registryId: 'a', reachable: true }, { registryId: 'b' }] },
      '1 of 2 registries are not there yet',
    ],
    [{ storeStatus: { trouble: 'its disk is full' } }, 'the store cannot be used: its disk is full'],
    [{ storeStatus: { doubt: { reason: 'it was wiped' } } }, 'the store is in doubt: it was wiped'],
  ])('waits where the status is %j', (more, missing) => {
    const given = meshService.GetMeshStatusResponse.create({
      ...status([true, true], { state: READY }, { ready: 1 }),
      registries: [{ reachable: true }, { reachable: true }],
      ...more,
    });
    const wanted = { ...WANTED, routers: ['a:1', 'b:1'], registries: 2 };
    expect(readinessOf(given, wanted)).toEqual({ kind: 'waiting', missing });
  });
});
