import type { VersionId } from '@bms/contracts';
import { DEFAULT_CONFIG, MeshBuilder, MIB, version, type Reported } from '../watch/mesh-builder.testkit';
import { modelOfVersion, numberOfVersion } from '../watch/mesh-snapshot';
import { placementNote } from './placement-note';
import { placementView, type PlacementView } from './placement-view';
import { nextAction, RETIRE_BOUND_MS, type PlacementAction } from './policy';

const NOW_MS = 1_000_000;

function view(mesh: MeshBuilder, fields: Partial<PlacementView> = {}): PlacementView {
  const { snapshot } = mesh;
  return placementView({
    snapshot,
    defaultReplicas: 2,
    acknowledgedRevision: snapshot.revision,
    nowMs: NOW_MS,
    settling: false,
    ...fields,
  });
}

/** `assign m@1 w2`, or `none`. */
function told(action: PlacementAction): string {
  if (action.kind === 'none') return 'none';
  return `${action.kind} ${action.version.replace('default/', '')} ${action.worker}`;
}

function next(mesh: MeshBuilder, text = 'm@1', fields: Partial<PlacementView> = {}): string {
  return told(nextAction(view(mesh, fields), version(text)));
}

/** Workers w1, w2, … that are empty and have so many MiB free. */
function fleet(...freeMib: readonly number[]): MeshBuilder {
  const mesh = new MeshBuilder();
  freeMib.forEach((free, at) => mesh.worker(`w${at + 1}`).reported(`w${at + 1}`, free));
  return mesh;
}

/** Applies what the policy says, and has workers load what they are told at once, until it says none for every version. */
function settle(mesh: MeshBuilder, fields: Partial<PlacementView> = {}, freeMib = 4000): string[] {
  const actions: string[] = [];
  const ids = (): VersionId[] => [
    ...new Set(
      [...mesh.snapshot.models.values()].flatMap(({ versions }) =>
        [...versions.values()].map(({ record }) => version(`${record.model}@${record.version}`)),
      ),
    ),
  ];
  for (let round = 0; round < 100; round++) {
    const action = ids()
      .map((id) => nextAction(view(mesh, fields), id))
      .find(({ kind }) => kind !== 'none');
    if (action === undefined || action.kind === 'none') return actions;
    actions.push(told(action));
    apply(mesh, action, freeMib);
  }
  throw new Error(`it does not settle: ${actions.slice(-6).join(', ')}`);
}

function apply(mesh: MeshBuilder, action: Exclude<PlacementAction, { kind: 'none' }>, freeMib: number): void {
  const entry = mesh.snapshot.workers.get(action.worker);
  const text = action.version.replace('default/', '');
  const others = [...(entry?.desiredVersions ?? [])]
    .filter(([id]) => id !== action.version)
    .map(([id, { retiredAtMs }]) => {
      const name = id.replace('default/', '');
      return retiredAtMs === undefined ? name : ([name, retiredAtMs] as const);
    });
  const mine = { assign: [text], retire: [[text, NOW_MS] as const], drop: [] }[action.kind];
  mesh.desired(action.worker, ...others, ...mine);
  if (entry?.worker === undefined) return;
  const held = [...(mesh.snapshot.workers.get(action.worker)?.desiredVersions.keys() ?? [])];
  const states = new Map([...entry.replicas].map(([id, { state }]) => [id, state]));
  const replicas = held.map((id): Reported => [id.replace('default/', ''), states.get(id) ?? 'ready']);
  mesh.reported(action.worker, freeMib, ...replicas);
}

function holders(mesh: MeshBuilder, text = 'm@1'): string[] {
  return (mesh.snapshot.holders.get(version(text)) ?? []).map(String);
}

function note(mesh: MeshBuilder, text = 'm@1'): string {
  const id = version(text);
  const record = mesh.snapshot.models.get(modelOfVersion(id))?.versions.get(numberOfVersion(id))?.record;
  if (record === undefined) throw new Error(`no ${text}`);
  return placementNote(view(mesh), record);
}

describe('placement of a published version', () => {
  it('brings it to two workers, the ones with the most free memory', () => {
    const mesh = fleet(1000, 4000, 2000).version('m@1');
    expect(next(mesh)).toBe('assign m@1 w2');
    expect(settle(mesh)).toEqual(['assign m@1 w2', 'assign m@1 w3']);
    expect(note(mesh)).toBe('');
  });

  it.each([
    ['on all workers where there are fewer', 1, 0, ['w1']],
    ['on as many as its config says', 4, 3, ['w1', 'w2', 'w3']],
    ["on the mesh's default of two", 4, 0, ['w1', 'w2']],
  ])('holds it %s', (_, workers, replicas, expected) => {
    const mesh = fleet(...Array.from({ length: workers }, () => 4000));
    mesh.version('m@1', { config: { ...DEFAULT_CONFIG, replicas } });
    settle(mesh);
    expect(holders(mesh)).toEqual(expected);
  });

  it('gives none to a version that is not published', () => {
    const mesh = fleet(4000, 4000).version('m@1', { state: 'registered' }).version('m@2', { state: 'offline' });
    expect(settle(mesh)).toEqual([]);
  });

  it('prefers another host, and among workers that are as free as each other the one with fewer versions', () => {
    const mesh = new MeshBuilder();
    for (const [id, host] of [
      ['w1', 'a'],
      ['w2', 'a'],
      ['w3', 'b'],
    ] as const)
      mesh.worker(id, { host }).reported(id, 4000);
    mesh.version('m@1');
    expect(settle(mesh)).toEqual(['assign m@1 w1', 'assign m@1 w3']);
    mesh.version('n@1', { config: { ...DEFAULT_CONFIG, replicas: 1 } });
    expect(next(mesh, 'n@1')).toBe('assign n@1 w2');
  });

  it('waits for a worker that has not reported its memory yet', () => {
    const mesh = new MeshBuilder().worker('w1').version('m@1');
    expect(next(mesh)).toBe('none');
    expect(note(mesh)).toBe(
      '0 of 2 wanted: it needs 130 MiB (a guess from the size of its files), w1 has not reported its memory yet; there is 1 worker',
    );
    mesh.reported('w1', 1000);
    expect(next(mesh)).toBe('assign m@1 w1');
  });

  it('counts what a worker was given and has not loaded yet', () => {
    const mesh = fleet(300).version('m@1').version('n@1').version('o@1');
    mesh.desired('w1', 'm@1', 'n@1');
    expect(next(mesh, 'o@1')).toBe('none'); // 300 - 2 × 130 MiB are free
    mesh.reported('w1', 300, ['m@1', 'ready'], ['n@1', 'loading']);
    expect(next(mesh, 'o@1')).toBe('assign o@1 w1');
  });

  it('goes by what was measured where the version is loaded already', () => {
    const mesh = fleet(4000, 500).version('m@1').desired('w1', 'm@1');
    mesh.reported('w1', 3000, ['m@1', 'ready', { memoryBytes: 1000 * MIB }]);
    expect(next(mesh)).toBe('none');
    expect(note(mesh)).toBe(
      '1 of 2 wanted: it needs 1000 MiB (as measured where it is loaded), w2 has 500 MiB free of 8 GiB',
    );
  });

  it('says in numbers why it fits nowhere, and places it once memory is free', () => {
    const mesh = fleet(100, 120).version('m@1', {
      artifact: { digest: '0'.repeat(64), sizeBytes: 100 * MIB, entry: 'm', files: [] },
    });
    const action = nextAction(view(mesh), version('m@1'));
    expect(action).toEqual({ kind: 'none', short: true });
    expect(note(mesh)).toBe(
      '0 of 2 wanted: it needs 328 MiB (a guess from the size of its files), w1 has 100 MiB free of 8 GiB, w2 has 120 MiB free of 8 GiB',
    );
    mesh.reported('w2', 400);
    expect(next(mesh)).toBe('assign m@1 w2');
  });

  it('places what fits of several versions on little memory', () => {
    const mesh = fleet(300, 300).version('a@1').version('b@1').version('c@1');
    const placed: string[] = [];
    for (const id of ['a@1', 'b@1', 'c@1', 'a@1', 'b@1', 'c@1']) {
      const action = nextAction(view(mesh), version(id));
      if (action.kind === 'none') continue;
      placed.push(told(action));
      const held = [...(mesh.snapshot.workers.get(action.worker)?.desiredVersions.keys() ?? []), action.version];
      mesh.desired(action.worker, ...held.map((one) => one.replace('default/', '')));
    }
    expect(placed).toEqual(['assign a@1 w1', 'assign b@1 w2', 'assign c@1 w1', 'assign a@1 w2']);
    expect(note(mesh, 'b@1')).toContain('1 of 2 wanted');
  });
});

describe('placement when workers come and go', () => {
  function held(): MeshBuilder {
    const mesh = fleet(4000, 4000, 4000).version('m@1');
    mesh.desired('w1', 'm@1').desired('w2', 'm@1');
    return mesh.reported('w1', 3000, ['m@1', 'ready']).reported('w2', 3000, ['m@1', 'ready']);
  }

  it('changes nothing while all is well', () => {
    expect(next(held())).toBe('none');
    expect(nextAction(view(held()), version('m@1'))).toEqual({ kind: 'none', short: false });
  });

  it('brings another worker up when one is lost, and lets go of the lost one once that is ready', () => {
    const mesh = held().gone('w1');
    expect(next(mesh)).toBe('assign m@1 w3');
    mesh.desired('w3', 'm@1');
    expect(next(mesh)).toBe('none'); // w3 is not ready yet: w1 may still come back with it
    mesh.reported('w3', 3000, ['m@1', 'loading']);
    expect(next(mesh)).toBe('none');
    mesh.reported('w3', 3000, ['m@1', 'ready']);
    expect(next(mesh)).toBe('drop m@1 w1');
  });

  it('does not flap when the lost one comes back while another loads: one is taken off again, none that is ready', () => {
    const mesh = held().gone('w1').desired('w3', 'm@1').reported('w3', 3000, ['m@1', 'loading']);
    mesh.worker('w1').reported('w1', 3000, ['m@1', 'ready']);
    expect(settle(mesh)).toEqual(['retire m@1 w3', 'drop m@1 w3']);
    expect(holders(mesh)).toEqual(['w1', 'w2']);
  });

  it('takes the one off that comes back after another has taken its place', () => {
    const mesh = held().gone('w1').desired('w3', 'm@1').reported('w3', 3000, ['m@1', 'ready']);
    mesh.worker('w1', { incarnation: 'w1-second' }).reported('w1', 3500);
    expect(settle(mesh)).toEqual(['retire m@1 w1', 'drop m@1 w1']);
  });

  it('does nothing when the only other worker has it already, and lets the lost one find it when it comes back', () => {
    const mesh = fleet(4000, 4000).version('m@1').desired('w1', 'm@1').desired('w2', 'm@1');
    mesh.reported('w1', 3000, ['m@1', 'ready']).reported('w2', 3000, ['m@1', 'ready']).gone('w1');
    expect(next(mesh)).toBe('none');
    expect(note(mesh)).toBe('1 of 2 wanted: there is 1 worker');
    mesh.worker('w1', { incarnation: 'w1-second' }).reported('w1', 4000);
    expect(next(mesh)).toBe('none');
  });

  it('waits for workers that are gone while the registry has just started', () => {
    const mesh = held().gone('w1').gone('w2');
    expect(next(mesh, 'm@1', { settling: true })).toBe('none');
    expect(next(mesh, 'm@1', { settling: false })).toBe('assign m@1 w3');
  });

  it('brings another worker up when one drains, and takes nothing from the draining one', () => {
    const mesh = held().worker('w2', { draining: true });
    expect(settle(mesh)).toEqual(['assign m@1 w3']);
    expect(holders(mesh)).toEqual(['w1', 'w2', 'w3']);
    expect(settle(mesh.gone('w2'))).toEqual(['drop m@1 w2']);
  });

  it('never takes a ready one away below what is wanted', () => {
    const mesh = held().desired('w3', 'm@1').reported('w3', 100, ['m@1', 'warming']);
    mesh.reported('w2', 3000, ['m@1', 'failed', { reason: 'lost its device' }]);
    expect(next(mesh)).toBe('none'); // w1 ready, w3 warming, w2 failed
    mesh.reported('w2', 3000, ['m@1', 'ready']);
    expect(next(mesh)).toBe('retire m@1 w3'); // the one that is not ready
    mesh.reported('w3', 100, ['m@1', 'ready']);
    expect(next(mesh)).toBe('retire m@1 w3'); // all are ready: from the fullest
  });

  it('takes a retirement back when the version is needed there again', () => {
    const mesh = held().desired('w3', ['m@1', NOW_MS]).reported('w3', 3000, ['m@1', 'ready']).gone('w1');
    expect(next(mesh, 'm@1', { acknowledgedRevision: 0n })).toBe('assign m@1 w3');
  });
});

describe('placement of what cannot be loaded', () => {
  it('keeps the failed one where it is and tries another worker', () => {
    const mesh = fleet(4000, 4000, 4000).version('m@1').desired('w1', 'm@1').desired('w2', 'm@1');
    mesh.reported('w1', 3000, ['m@1', 'failed', { reason: 'bad weights' }]).reported('w2', 3000, ['m@1', 'ready']);
    expect(settle(mesh)).toEqual(['assign m@1 w3']);
    expect(holders(mesh)).toEqual(['w1', 'w2', 'w3']);
    expect(next(mesh)).toBe('none');
  });

  it('gives up, with the reasons, when it has failed everywhere', () => {
    const mesh = fleet(4000, 4000).version('m@1').desired('w1', 'm@1').desired('w2', 'm@1');
    mesh.reported('w1', 3000, ['m@1', 'failed', { reason: 'bad weights' }]);
    mesh.reported('w2', 3000, ['m@1', 'failed', { reason: 'no such operator' }]);
    expect(next(mesh)).toBe('none');
    expect(note(mesh)).toBe('0 of 2 wanted: it failed on w1: bad weights; it failed on w2: no such operator');
  });
});

describe('placement of a version that leaves', () => {
  function leaving(state: 'offline' | 'deleted'): MeshBuilder {
    return fleet(4000, 4000).version('m@1', { state }).desired('w1', 'm@1').reported('w1', 3000, ['m@1', 'ready']);
  }

  it.each(['offline', 'deleted'] as const)(
    'takes it out of the routes first, and drops it once the routers know: %s',
    (state) => {
      const mesh = leaving(state);
      expect(next(mesh)).toBe('retire m@1 w1');
      mesh.desired('w1', ['m@1', NOW_MS]);
      const { revision } = mesh.snapshot;
      const waiting = nextAction(view(mesh, { acknowledgedRevision: revision - 1n }), version('m@1'));
      expect(waiting).toEqual({ kind: 'none', short: false, recheckAtMs: NOW_MS + RETIRE_BOUND_MS });
      expect(next(mesh, 'm@1', { acknowledgedRevision: revision })).toBe('drop m@1 w1');
    },
  );

  it('drops it after a bound although a router keeps silent', () => {
    const mesh = leaving('offline').desired('w1', ['m@1', NOW_MS]);
    const nowMs = NOW_MS + RETIRE_BOUND_MS;
    expect(next(mesh, 'm@1', { acknowledgedRevision: 0n, nowMs: nowMs - 1 })).toBe('none');
    expect(next(mesh, 'm@1', { acknowledgedRevision: 0n, nowMs })).toBe('drop m@1 w1');
  });

  it('drops it from a worker that is gone at once', () => {
    expect(next(leaving('offline').gone('w1'))).toBe('drop m@1 w1');
  });

  it('brings it back where it still is when it is published again', () => {
    const mesh = leaving('offline').desired('w1', ['m@1', NOW_MS]).version('m@1', { state: 'published' });
    expect(next(mesh, 'm@1', { acknowledgedRevision: 0n })).toBe('assign m@1 w1');
  });

  it('has nothing to do for a version that only the worker still finishes', () => {
    const mesh = leaving('offline').desired('w1').reported('w1', 3000, ['m@1', 'draining']);
    expect(next(mesh)).toBe('none');
  });
});
