import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartError, type StartProgress } from '@bms/lifecycle';
import { openEtcdStore, OutcomeUnknownError, type CommitResult, type MetaStore } from '@bms/metastore';
import { describeWithEtcd, startEtcd } from '@bms/metastore/testkit';
import { identityModel } from '@bms/onnx-inspect/testkit';
import { KeyLayout } from '../records/keys';
import { acceptedFormat } from '../records/values';
import { RunningRegistry } from '../running-registry.testkit';
import { MANIFEST_FILE, RECORDS_FILE, UNFINISHED_FILE } from './transfer-format';
import { blobNamesIn, contentOf, KEYS, MovableMesh } from './transfer.testkit';

describe('moving a mesh between stores', () => {
  let mesh: MovableMesh;
  beforeAll(async () => {
    mesh = await MovableMesh.make();
  });
  afterEach(() => mesh.closeStores());
  afterAll(() => mesh.remove());

  it('gives the same records and blobs from a store through a folder into another one', async () => {
    const folder = await mesh.exported();
    const target = mesh.fresh('target');
    const steps: StartProgress[] = [];
    const store = await mesh.embedded(target);
    const manifest = await mesh.imported(folder, store, target, { onProgress: (step) => steps.push(step) });
    expect(manifest).toMatchObject({
      meshId: mesh.meshId,
      records: { models: 2, versions: 3, requests: 3, desired: 1 },
      blobs: { count: 3 },
    });
    const content = await contentOf(store, KEYS.prefix);
    expect(Object.keys(content).length).toBeGreaterThanOrEqual(9);
    expect(content).toEqual(await mesh.content());
    const [accepted] = (await store.range({ key: KEYS.accepted() })).entries;
    expect(acceptedFormat.decode(accepted!.value, accepted!.key)).toMatchObject({
      epoch: 1,
      clusterId: store.clusterId,
    });
    for (const line of readFileSync(join(folder, RECORDS_FILE), 'utf8').trimEnd().split('\n')) {
      const { key, value } = JSON.parse(line) as { key: string; value: { artifact?: { files: { sha256: string }[] } } };
      if (!key.startsWith('versions/') || key.endsWith('2')) continue;
      for (const { sha256 } of value.artifact?.files ?? []) {
        const bytes = readFileSync(await mesh.blobsIn(target).path(sha256));
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
      }
    }
    expect(new Set(steps.map(({ phase }) => phase))).toEqual(new Set(['checking', 'copying']));
  });

  it('is followed by a registry of the same mesh, whatever store it followed before', async () => {
    const folder = await mesh.exported();
    const target = mesh.fresh('target');
    const store = await mesh.embedded(target);
    await mesh.imported(folder, store, target);
    await mesh.closeStores();
    cpSync(join(mesh.data, 'registries'), join(target, 'registries'), { recursive: true });
    const registry = await RunningRegistry.start({ data: target });
    try {
      expect(await registry.status()).toMatchObject({ meshId: mesh.meshId, storeStatus: { doubt: undefined } });
      const { model, versions } = await registry.model();
      expect(versions.map(({ version }) => version?.ref?.version)).toEqual([1n, 2n]);
      expect(model?.latestVersion).toBe(2n);
    } finally {
      await registry.close();
    }
  });

  it('takes up a blob by a link where the file system has one', async () => {
    const folder = await mesh.exported();
    const [sha256] = blobNamesIn(folder);
    expect(statSync(join(folder, 'blobs', sha256!.slice(0, 2), sha256!.slice(2))).ino).toBe(
      statSync(await mesh.blobsIn(mesh.data).path(sha256!)).ino,
    );
  });

  it('keeps an import that broke off from being taken for a mesh, and goes on when it is run again', async () => {
    const folder = await mesh.exported();
    const target = mesh.fresh('target');
    const store = await mesh.embedded(target);
    await expect(mesh.imported(folder, breakingAt(store, 2), target)).rejects.toThrow('cut off');
    await mesh.closeStores();
    await expect(RunningRegistry.start({ data: target })).rejects.toThrow(
      /^the store holds half of a mesh: an import into/,
    );
    await expect(mesh.exported(target)).rejects.toThrow('the store holds half of a mesh');
    await mesh.closeStores();
    const again = await mesh.embedded(target);
    await mesh.imported(folder, again, target);
    expect(await contentOf(again, KEYS.prefix)).toEqual(await mesh.content());
  });

  it.each([1, 2, 3])('is done once where the answer to write %i is lost', async (lost) => {
    const folder = await mesh.exported();
    const target = mesh.fresh('target');
    const store = await mesh.embedded(target);
    await mesh.imported(folder, forgetting(store, lost), target);
    expect(await contentOf(store, KEYS.prefix)).toEqual(await mesh.content());
  });

  it('does not go on with half of another export', async () => {
    const folder = await mesh.exported();
    const target = mesh.fresh('target');
    const store = await mesh.embedded(target);
    await expect(mesh.imported(folder, breakingAt(store, 2), target)).rejects.toThrow('cut off');
    const other = await otherExport();
    await expect(mesh.imported(other, store, target)).rejects.toThrow(
      'the folder named now holds another export: finish that one, or begin anew after deleting the folder',
    );
  });

  it('changes nothing in a store that holds a mesh', async () => {
    const folder = await mesh.exported();
    const target = mesh.fresh('target');
    cpSync(mesh.data, target, { recursive: true });
    const store = await mesh.embedded(target);
    const { revision } = await store.range({ key: KEYS.mesh() });
    await expect(mesh.imported(folder, store, target)).rejects.toThrow(
      `the store holds the mesh ${mesh.meshId} under ${KEYS.prefix} already: an import goes into an empty store. Name another data folder with --data`,
    );
    expect((await store.range({ key: KEYS.mesh() })).revision).toBe(revision);
  });

  it('goes on with an export that broke off, and leaves other folders alone', async () => {
    const folder = mesh.fresh('export');
    mkdirSync(folder);
    writeFileSync(join(folder, UNFINISHED_FILE), '');
    await mesh.exported(mesh.data, folder);
    expect([existsSync(join(folder, UNFINISHED_FILE)), existsSync(join(folder, MANIFEST_FILE))]).toEqual([false, true]);
    await expect(mesh.exported(mesh.data, folder)).rejects.toThrow('is not empty: name a folder that is not there yet');
  });

  (existsSync('/proc/self') ? it : it.skip)('ends where the file system takes no new folder', async () => {
    await expect(mesh.exported(mesh.data, '/proc/bms-spec/export')).rejects.toThrow(
      'the folder /proc/bms-spec/export cannot be written (ENOENT): name another one',
    );
  });

  it('says which artifact is missing or damaged in the mesh', async () => {
    const source = mesh.fresh('source');
    cpSync(mesh.data, source, { recursive: true });
    const [sha256 = ''] = blobNamesIn(await mesh.exported());
    const path = await mesh.blobsIn(source).path(sha256);
    appendFileSync(path, 'x');
    await expect(mesh.exported(source)).rejects.toThrow(new RegExp(`^the artifact ${sha256} of default/.* is damaged`));
    await mesh.closeStores();
    rmSync(path);
    await expect(mesh.exported(source)).rejects.toThrow(
      new RegExp(`^the artifact ${sha256} of default/.* is not in the folder`),
    );
  });

  describeWithEtcd('through etcd', () => {
    it('is the same again when it is back in an embedded store', async () => {
      const etcd = await startEtcd();
      try {
        const prefix = new KeyLayout('/bms/moved/');
        const inEtcd = await openEtcdStore({ endpoints: [etcd.endpoint] });
        mesh.keep(inEtcd);
        const middle = mesh.fresh('etcd');
        await mesh.imported(await mesh.exported(), inEtcd, middle, { keys: prefix });
        expect(await contentOf(inEtcd, prefix.prefix)).toEqual(await mesh.content());
        const target = mesh.fresh('target');
        const store = await mesh.embedded(target);
        const back = await mesh.exported(middle, mesh.fresh('export'), inEtcd, prefix);
        await mesh.imported(back, store, target);
        expect(await contentOf(store, KEYS.prefix)).toEqual(await mesh.content());
        const [accepted] = (await store.range({ key: KEYS.accepted() })).entries;
        expect(acceptedFormat.decode(accepted!.value, accepted!.key).epoch).toBe(2);
      } finally {
        await mesh.closeStores();
        await etcd.dispose();
      }
    });
  });

  async function otherExport(): Promise<string> {
    const registry = await RunningRegistry.start();
    await registry.push({ files: [await registry.upload('m.onnx', identityModel())] });
    await registry.stop();
    const folder = await mesh.exported(registry.data);
    await registry.close();
    return folder;
  }
});

/** The store, but its n-th commit never comes to be. */
function breakingAt(store: MetaStore, nth: number): MetaStore {
  return committing(store, nth, async () => {
    throw new StartError('cut off');
  });
}

/** The store, but the answer to its n-th commit is lost. */
function forgetting(store: MetaStore, nth: number): MetaStore {
  return committing(store, nth, async (commit) => {
    await commit();
    throw new OutcomeUnknownError();
  });
}

function committing(
  store: MetaStore,
  nth: number,
  instead: (commit: () => Promise<CommitResult>) => Promise<CommitResult>,
): MetaStore {
  let commits = 0;
  return new Proxy(store, {
    get: (target, name) => {
      if (name !== 'commit') {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return async (...args: Parameters<MetaStore['commit']>) => {
        const commit = (): Promise<CommitResult> => target.commit(...args);
        return ++commits === nth ? instead(commit) : commit();
      };
    },
  });
}
