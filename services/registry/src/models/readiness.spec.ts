import { placementView } from '../placement/placement-view';
import { MeshBuilder, versionRecord } from '../watch/mesh-builder.testkit';
import { readinessOf, type Readiness } from './readiness';

function readiness(mesh: MeshBuilder): Readiness {
  const { snapshot } = mesh;
  const view = placementView({ snapshot, defaultReplicas: 2, acknowledgedRevision: 0n, nowMs: 0, settling: false });
  return readinessOf(view, versionRecord('m@1'));
}

function fleet(): MeshBuilder {
  return new MeshBuilder().worker('w1').reported('w1', 4000).worker('w2').reported('w2', 4000).version('m@1');
}

describe('readinessOf', () => {
  it('is unpublished for what nobody brings anywhere', () => {
    expect(readiness(new MeshBuilder().version('m@1', { state: 'offline' }))).toEqual({ kind: 'unpublished' });
  });

  it.each<[string, MeshBuilder, string]>([
    ['no worker', new MeshBuilder().version('m@1'), 'no worker is attached'],
    ['workers that have not been told', fleet(), 'no worker has been told to hold it yet'],
    ['a worker that has been told', fleet().desired('w1', 'm@1'), 'w1 has been told to load it'],
    [
      'loading and failed ones',
      fleet()
        .desired('w1', 'm@1')
        .desired('w2', 'm@1')
        .reported('w1', 4000, ['m@1', 'loading'])
        .reported('w2', 4000, ['m@1', 'failed', { reason: 'no memory' }]),
      'w1 is loading; w2 could not load it: no memory',
    ],
    [
      'one that failed while another worker can be tried',
      fleet()
        .desired('w1', 'm@1')
        .reported('w1', 4000, ['m@1', 'failed', { reason: 'no memory' }]),
      'w1 could not load it: no memory',
    ],
    [
      'workers without memory',
      new MeshBuilder().worker('w1').reported('w1', 10).version('m@1'),
      '0 of 2 wanted: it needs 130 MiB (a guess from the size of its files), w1 has 10 MiB free of 8 GiB; there is 1 worker',
    ],
  ])('is pending with %s, and says so', (_, mesh, missing) => {
    expect(readiness(mesh)).toEqual({ kind: 'pending', missing });
  });

  it('has failed when every worker has tried', () => {
    const mesh = fleet().desired('w1', 'm@1').desired('w2', 'm@1');
    mesh.reported('w1', 4000, ['m@1', 'failed', { reason: 'bad weights' }]).reported('w2', 4000, ['m@1', 'failed']);
    expect(readiness(mesh)).toEqual({
      kind: 'failed',
      reason: '0 of 2 wanted: it failed on w1: bad weights; it failed on w2: it gave no reason',
    });
  });

  it.each<[string, boolean, MeshBuilder]>([
    ['another worker is to be told', false, fleet().desired('w1', 'm@1').reported('w1', 4000, ['m@1', 'ready'])],
    [
      'another worker is loading',
      false,
      fleet().desired('w1', 'm@1').desired('w2', 'm@1').reported('w1', 4000, ['m@1', 'ready']),
    ],
    [
      'the other worker failed',
      true,
      fleet()
        .desired('w1', 'm@1')
        .desired('w2', 'm@1')
        .reported('w1', 4000, ['m@1', 'ready'])
        .reported('w2', 4000, ['m@1', 'failed']),
    ],
    [
      'the other worker is full',
      true,
      fleet().desired('w1', 'm@1').reported('w1', 4000, ['m@1', 'ready']).reported('w2', 10),
    ],
  ])('is ready on one worker, and when %s complete is %s', (_, complete, mesh) => {
    expect(readiness(mesh)).toEqual({ kind: 'ready', workers: ['w1'], complete });
  });
});
