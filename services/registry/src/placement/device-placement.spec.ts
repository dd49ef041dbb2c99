import type { VersionId } from '@bms/contracts';
import type { WorkerRecord } from '../records/values';
import { DEFAULT_CONFIG, MeshBuilder, MIB, version, type Reported } from '../watch/mesh-builder.testkit';
import { modelOfVersion, numberOfVersion } from '../watch/mesh-snapshot';
import { placementNote } from './placement-note';
import { placementView, type PlacementView } from './placement-view';
import { nextAction, type PlacementAction } from './policy';

const M: VersionId = version('m@1');

function view({ snapshot }: MeshBuilder): PlacementView {
  const { revision } = snapshot;
  return placementView({
    snapshot,
    defaultReplicas: 2,
    acknowledgedRevision: revision,
    nowMs: 1_000_000,
    settling: false,
  });
}

function device(provider: string): Pick<WorkerRecord, 'device'> {
  const kind = provider === 'cpu' ? 'cpu' : 'gpu';
  return { device: { provider, name: provider, concurrentRuns: 1, kind, memoryBytes: 0 } };
}

/** Workers by id, each with its provider and 4000 MiB free, and a version m@1 that wishes so. */
function mesh(providers: Readonly<Record<string, string>>, wish: string, fallback = '', replicas = 0): MeshBuilder {
  const built = new MeshBuilder();
  for (const [id, provider] of Object.entries(providers)) built.worker(id, device(provider)).reported(id, 4000);
  return built.version('m@1', { config: { ...DEFAULT_CONFIG, device: wish, fallback, replicas } });
}

function told(action: PlacementAction): string {
  return action.kind === 'none' ? 'none' : `${action.kind} ${action.worker}`;
}

/** Applies what the policy says until it says none; what is assigned loads in `state`. */
function settle(built: MeshBuilder, state: 'ready' | 'loading' = 'ready'): string[] {
  const actions: string[] = [];
  for (let round = 0; round < 40; round++) {
    const action = nextAction(view(built), M);
    if (action.kind === 'none') return actions;
    actions.push(told(action));
    if (action.kind === 'assign') holds(built, action.worker, state);
    else if (action.kind === 'retire') built.desired(action.worker, ['m@1', 1_000_000]);
    else built.desired(action.worker).reported(action.worker, 4000);
  }
  throw new Error(`it does not settle: ${actions.slice(-6).join(', ')}`);
}

function holds(built: MeshBuilder, id: string, state: Reported[1], fields: Reported[2] = {}): MeshBuilder {
  return built.desired(id, 'm@1').reported(id, 3900, ['m@1', state, fields]);
}

function holders(built: MeshBuilder): string[] {
  return (built.snapshot.holders.get(M) ?? []).map(String);
}

function note(built: MeshBuilder): string {
  const record = built.snapshot.models.get(modelOfVersion(M))?.versions.get(numberOfVersion(M))?.record;
  if (record === undefined) throw new Error('no m@1');
  return placementNote(view(built), record);
}

describe('placement by the wish for a device', () => {
  it.each([
    ['gpu', ['g1', 'g2']],
    ['cpu', ['c1', 'c2']],
    ['cuda', ['g1']],
    ['webgpu', ['g2']],
  ])('brings a version that wishes for %s to %j only', (wish, expected) => {
    const built = mesh({ c1: 'cpu', c2: 'cpu', g1: 'cuda:0', g2: 'webgpu' }, wish);
    settle(built);
    expect(holders(built)).toEqual(expected);
  });

  it.each([
    ['gpu', '0 of 2 wanted: no worker has a gpu: c1 runs on cpu, c2 runs on cpu; its config allows no fallback'],
    ['cuda', '0 of 2 wanted: no worker runs on cuda: c1 runs on cpu, c2 runs on cpu; its config allows no fallback'],
  ])('does not serve a version that wishes for %s where there is none, and says why', (wish, sentence) => {
    const built = mesh({ c1: 'cpu', c2: 'cpu' }, wish);
    expect(settle(built)).toEqual([]);
    expect(note(built)).toBe(sentence);
  });

  it('says how many workers may hold it', () => {
    const built = mesh({ c1: 'cpu', g1: 'webgpu' }, 'gpu');
    expect(settle(built)).toEqual(['assign g1']);
    expect(note(built)).toBe('1 of 2 wanted: there is 1 worker that may hold it (device "gpu")');
  });

  it('takes it off a worker that has come back with another device', () => {
    const built = mesh({ w1: 'webgpu', w2: 'webgpu' }, 'gpu');
    settle(built);
    built.worker('w2', { incarnation: 'w2-second', ...device('cpu') });
    holds(built, 'w2', 'failed', { reason: 'it is to run on gpu' });
    expect(settle(built)).toEqual(['retire w2', 'drop w2']);
  });
});

describe('placement with a fallback', () => {
  it('fills what is missing of the wished devices with workers that stand in', () => {
    const built = mesh({ c1: 'cpu', c2: 'cpu', g1: 'webgpu' }, 'gpu', 'cpu');
    expect(settle(built)).toEqual(['assign g1', 'assign c1']);
    expect(note(built)).toBe('');
  });

  it('replaces stand-ins, one after the other, once more than are wanted are ready', () => {
    const built = mesh({ c1: 'cpu', c2: 'cpu' }, 'gpu', 'cpu');
    expect(settle(built)).toEqual(['assign c1', 'assign c2']);
    built.worker('g1', device('webgpu')).reported('g1', 4000);
    expect(settle(built, 'loading')).toEqual(['assign g1']);
    holds(built, 'g1', 'ready');
    expect(settle(built)).toHaveLength(2);
    expect(holders(built)).toHaveLength(2);
    built.worker('g2', device('cuda:0')).reported('g2', 4000);
    settle(built);
    expect(holders(built)).toEqual(['g1', 'g2']);
    expect(told(nextAction(view(built), M))).toBe('none');
  });

  it('keeps the stand-ins where the wished device cannot load it, and does not try that again', () => {
    const built = mesh({ c1: 'cpu', c2: 'cpu', g1: 'webgpu' }, 'gpu', 'cpu');
    holds(built, 'g1', 'failed', { reason: 'out of memory' });
    expect(settle(built)).toEqual(['assign c1', 'assign c2']);
  });

  it('lets a stand-in take the place of a device that is gone, and gives it back when that returns', () => {
    const built = mesh({ c1: 'cpu', g1: 'webgpu' }, 'gpu', 'cpu', 1);
    expect(settle(built)).toEqual(['assign g1']);
    built.gone('g1');
    expect(settle(built)).toEqual(['assign c1', 'drop g1']);
    built.worker('g1', { incarnation: 'g1-second', ...device('webgpu') }).reported('g1', 4000);
    expect(settle(built)).toEqual(['assign g1', 'retire c1', 'drop c1']);
  });
});

describe('placement by the memory of devices', () => {
  it('goes by what the device has free, not the process', () => {
    const built = mesh({ g1: 'cuda:0', g2: 'cuda:1' }, 'gpu', '', 1);
    const freeMib = (id: string, free: number): void => {
      built.deviceUse = { memoryTotalBytes: 8000 * MIB, memoryFreeBytes: free * MIB, busyPercent: 5 };
      built.reported(id, 4000);
    };
    freeMib('g1', 100);
    freeMib('g2', 300);
    expect(told(nextAction(view(built), M))).toBe('assign g2');
    freeMib('g2', 120);
    expect(told(nextAction(view(built), M))).toBe('none');
    expect(note(built)).toContain('g1 has 100 MiB free of 7.8 GiB on its device');
  });
});
