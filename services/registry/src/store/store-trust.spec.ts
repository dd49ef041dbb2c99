import type { Entry } from '@bms/metastore';
import { acceptedFormat, meshFormat, modelFormat } from '../records/values';
import { keys, MeshBuilder, modelRecord } from '../watch/mesh-builder.testkit';
import type { KnownPoint } from './known-point';
import type { StoreRead } from './store-read';
import { StoreTrust } from './store-trust';

const MESH = { id: 'mesh-1', createdAtMs: 1 };
const MODEL_KEY = keys.model('default', 'm');
const KNOWN: KnownPoint = {
  meshId: 'mesh-1',
  clusterId: 'c1',
  revision: 50n,
  epoch: 0,
  witness: { key: MODEL_KEY, modRevision: 40n },
};

function entry(key: string, value: Uint8Array, modRevision: bigint): Entry {
  return { key, value, createRevision: 1n, modRevision, leaseId: 0n };
}

/** A store that fits what is known, but for what the spec changes. */
function read({ clusterId = 'c1', revision = 60n, mesh = 'mesh-1', model = 40n, epoch = 0 } = {}): StoreRead {
  const entries: Entry[] = [];
  if (mesh !== '') entries.push(entry(keys.mesh(), meshFormat.encode({ ...MESH, id: mesh }), 1n));
  if (model > 0n) entries.push(entry(MODEL_KEY, modelFormat.encode(modelRecord('m')), model));
  if (epoch > 0) {
    const value = acceptedFormat.encode({ epoch, clusterId, revision: '1', atMs: 1, by: 'ann' });
    entries.push(entry(keys.accepted(), value, 2n));
  }
  return { clusterId, revision, entries };
}

const trusting = (): StoreTrust => new StoreTrust(keys, () => 7);

it.each<[string, Parameters<typeof read>[0], string]>([
  ['is empty', { mesh: '', model: 0n, revision: 60n }, 'the store is empty, and had come to revision 50'],
  ['holds another mesh', { mesh: 'mesh-2' }, 'the store holds the mesh mesh-2, and not mesh-1'],
  ['is of another cluster', { clusterId: 'c2' }, 'the store holds the data of cluster c2, and not of c1'],
  ['has gone back', { revision: 49n }, 'the store has gone back to revision 49, and had come to 50'],
  [
    'went back and has come as far again',
    { model: 30n },
    'the store lacks the last change of /bms/main/models/default/m',
  ],
  ['lost the model that was changed last', { model: 0n }, 'the store lacks the last change'],
])('doubts a store that %s', (_, found, sentence) => {
  const trust = trusting();
  expect(trust.mayTake(read(found), KNOWN, undefined)).toBe(false);
  expect(trust.doubt?.reason).toContain(sentence);
  expect(trust.refusal()?.message).toContain('"bms store accept"');
});

it('doubts a store from before another one was accepted in its place', () => {
  const trust = trusting();
  expect(trust.mayTake(read({ epoch: 1 }), { ...KNOWN, epoch: 2 }, undefined)).toBe(false);
  expect(trust.doubt?.reason).toContain('from before another one was accepted');
});

it('takes a store that has come on from what is known, and any where nothing is', () => {
  const trust = trusting();
  expect(trust.mayTake(read(), KNOWN, undefined)).toBe(true);
  expect(trust.mayTake(read({ model: 55n }), KNOWN, undefined)).toBe(true);
  expect(trust.mayTake(read({ clusterId: 'c9', revision: 2n }), undefined, undefined)).toBe(true);
  expect(trust.doubt).toBeUndefined();
});

it('names the versions that the mesh has and the store found has not', () => {
  const { snapshot } = new MeshBuilder().version('m@1').version('m@2').version('m@3', { state: 'deleted' });
  const trust = trusting();
  const known = { meshId: KNOWN.meshId, clusterId: KNOWN.clusterId, revision: 1n, epoch: 0 };
  expect(trust.mayTake(read(), known, snapshot)).toBe(false);
  expect(trust.doubt).toMatchObject({
    reason: expect.stringContaining('the store lacks 3 records of models and versions') as string,
    missingVersions: ['default/m@1', 'default/m@2'],
    sinceMs: 7,
  });
});

it('goes on once the right store is back, and tells those who wait when it has been taken', () => {
  const trust = trusting();
  let changes = 0;
  trust.onChange(() => changes++);
  trust.mayTake(read({ revision: 5n }), KNOWN, undefined);
  trust.mayTake(read({ revision: 6n }), KNOWN, undefined);
  expect(changes).toBe(1);
  expect(trust.mayTake(read(), KNOWN, undefined)).toBe(true);
  expect(trust.doubt).toBeDefined();
  trust.taken();
  expect([trust.doubt, changes]).toEqual([undefined, 2]);
});

it('takes what was accepted since, but no snapshot from between two acceptances, and never another mesh', () => {
  const trust = trusting();
  const wiped = { clusterId: 'c2', revision: 5n, model: 0n };
  expect(trust.mayTake(read({ ...wiped, epoch: 1 }), KNOWN, undefined)).toBe(true);
  expect(trust.mayTake(read({ ...wiped, epoch: 1 }), { ...KNOWN, epoch: 1 }, undefined)).toBe(false);
  expect(trust.mayTake(read({ ...wiped, epoch: 9, mesh: 'mesh-2' }), KNOWN, undefined)).toBe(false);
});
