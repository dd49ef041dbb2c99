import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderBlobStore } from '@bms/artifacts';
import { models } from '@bms/contracts';
import { StartError, type StartProgress } from '@bms/lifecycle';
import {
  openEmbeddedStore,
  openEtcdStore,
  OutcomeUnknownError,
  type CommitResult,
  type MetaStore,
} from '@bms/metastore';
import { describeWithEtcd, startEtcd } from '@bms/metastore/testkit';
import { externalDataModel, identityModel } from '@bms/onnx-inspect/testkit';
import { systemClock } from '../clock';
import { KeyLayout } from '../records/keys';
import { acceptedFormat } from '../records/values';
import { MODEL, ref, RunningRegistry } from '../running-registry.testkit';
import { exportMesh } from './export-mesh';
import { importMesh } from './import-mesh';
import { RECORDS_FILE, MANIFEST_FILE, UNFINISHED_FILE, type TransferManifest } from './transfer-format';

const KEYS = new KeyLayout();
const NO_END = new AbortController().signal;
const NOT_CARRIED = /\/(workers|reported|registries)\/|\/(leader|accepted|importing)$/;

/** All that is carried over, as text. */
async function contentOf(store: MetaStore, prefix: string): Promise<Readonly<Record<string, unknown>>> {
  const { entries } = await store.range({ prefix });
  return Object.fromEntries(
    entries
      .filter(({ key }) => !NOT_CARRIED.test(key))
      .map(({ key, value }) => [key.slice(prefix.length), JSON.parse(Buffer.from(value).toString()) as unknown]),
  );
}

describe('moving a mesh between stores', () => {
  let root: string;
  /** The data folder of a mesh with two models, labels, a history, and a deleted version; stopped. */
  let data: string;
  let meshId: string;
  const open: MetaStore[] = [];

  beforeAll(async () => {
    const registry = await RunningRegistry.start();
    root = mkdtempSync(join(tmpdir(), 'bms-transfer-'));
    await registry.push({ notes: 'first', requestId: 'one' });
    const { model, data: weights } = externalDataModel();
    const files = [await registry.upload('model.onnx', model), await registry.upload('weights.bin', weights)];
    await registry.push({ model: 'large', files });
    await registry.push({ requestId: 'gone' });
    await registry.setState(2n, models.VersionState.DELETED);
    await registry.models
      .setLabel({ ref: ref(1n), label: 'old', timeoutMs: 1n }, registry.trusted)
      .catch(() => undefined);
    meshId = (await registry.status()).meshId;
    await registry.stop();
    data = join(root, 'mesh');
    cpSync(registry.data, data, { recursive: true });
    await registry.close();
  });
  afterAll(() => rmSync(root, { recursive: true }));
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
  });

  let made = 0;
  const fresh = (name: string): string => join(root, `${name}-${made++}`);
  const embedded = async (folder: string): Promise<MetaStore> => {
    const store = await openEmbeddedStore({ folder: join(folder, 'registry', 'store') });
    open.push(store);
    return store;
  };
  const blobsIn = (folder: string): FolderBlobStore => new FolderBlobStore(join(folder, 'registry', 'blobs'));
  const exported = async (from = data, to = fresh('export'), store?: MetaStore, keys = KEYS): Promise<string> => {
    await exportMesh(
      {
        store: store ?? (await embedded(from)),
        keys,
        blobs: blobsIn(from),
        folder: to,
        bmsVersion: '0.1.0',
        nowMs: 1,
        onProgress: () => undefined,
      },
      NO_END,
    );
    if (store === undefined) await open.pop()?.close();
    return to;
  };
  const imported = async (
    folder: string,
    store: MetaStore,
    to: string,
    more: { keys?: KeyLayout; onProgress?: (step: StartProgress) => void } = {},
  ): Promise<TransferManifest> =>
    importMesh(
      { store, keys: KEYS, blobs: blobsIn(to), folder, clock: systemClock, onProgress: () => undefined, ...more },
      NO_END,
    );
  const original = async (): Promise<Readonly<Record<string, unknown>>> => {
    const store = await embedded(data);
    const content = await contentOf(store, KEYS.prefix);
    await open.pop()?.close();
    return content;
  };

  it('gives the same records and blobs from a store through a folder into another one', async () => {
    const folder = await exported();
    const target = fresh('target');
    const steps: StartProgress[] = [];
    const store = await embedded(target);
    const manifest = await imported(folder, store, target, { onProgress: (step) => steps.push(step) });
    expect(manifest).toMatchObject({ meshId, records: { models: 2, versions: 3, requests: 3 }, blobs: { count: 3 } });
    const content = await contentOf(store, KEYS.prefix);
    expect(Object.keys(content).length).toBeGreaterThanOrEqual(9);
    expect(content).toEqual(await original());
    const [accepted] = (await store.range({ key: KEYS.accepted() })).entries;
    expect(acceptedFormat.decode(accepted!.value, accepted!.key)).toMatchObject({
      epoch: 1,
      clusterId: store.clusterId,
    });
    for (const line of readFileSync(join(folder, RECORDS_FILE), 'utf8').trimEnd().split('\n')) {
      const { key, value } = JSON.parse(line) as { key: string; value: { artifact?: { files: { sha256: string }[] } } };
      if (!key.startsWith('versions/') || key.endsWith('2')) continue;
      for (const { sha256 } of value.artifact?.files ?? []) {
        const bytes = readFileSync(await blobsIn(target).path(sha256));
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
      }
    }
    expect(new Set(steps.map(({ phase }) => phase))).toEqual(new Set(['checking', 'copying']));
  });

  it('is followed by a registry of the same mesh, whatever store it followed before', async () => {
    const folder = await exported();
    const target = fresh('target');
    const store = await embedded(target);
    await imported(folder, store, target);
    await open.pop()?.close();
    cpSync(join(data, 'registries'), join(target, 'registries'), { recursive: true });
    const registry = await RunningRegistry.start({ data: target });
    try {
      expect(await registry.status()).toMatchObject({ meshId, storeStatus: { doubt: undefined } });
      const { model, versions } = await registry.model();
      expect(versions.map(({ version }) => version?.ref?.version)).toEqual([1n, 2n]);
      expect(model?.latestVersion).toBe(2n);
    } finally {
      await registry.close();
    }
  });

  it('takes up a blob by a link where the file system has one', async () => {
    const folder = await exported();
    const [sha256] = await blobNames(folder);
    expect(statSync(join(folder, 'blobs', sha256!.slice(0, 2), sha256!.slice(2))).ino).toBe(
      statSync(await blobsIn(data).path(sha256!)).ino,
    );
  });

  it('keeps an import that broke off from being taken for a mesh, and goes on when it is run again', async () => {
    const folder = await exported();
    const target = fresh('target');
    const store = await embedded(target);
    await expect(imported(folder, breakingAt(store, 2), target)).rejects.toThrow('cut off');
    await open.pop()?.close();
    await expect(RunningRegistry.start({ data: target })).rejects.toThrow(
      /^the store holds half of a mesh: an import into/,
    );
    await expect(exported(target)).rejects.toThrow('the store holds half of a mesh');
    await open.pop()?.close();
    const again = await embedded(target);
    await imported(folder, again, target);
    expect(await contentOf(again, KEYS.prefix)).toEqual(await original());
  });

  it.each([1, 2, 3])('is done once where the answer to write %i is lost', async (lost) => {
    const folder = await exported();
    const target = fresh('target');
    const store = await embedded(target);
    await imported(folder, forgetting(store, lost), target);
    expect(await contentOf(store, KEYS.prefix)).toEqual(await original());
  });

  it('does not go on with half of another export', async () => {
    const folder = await exported();
    const target = fresh('target');
    const store = await embedded(target);
    await expect(imported(folder, breakingAt(store, 2), target)).rejects.toThrow('cut off');
    const other = await otherExport();
    await expect(imported(other, store, target)).rejects.toThrow(
      'the folder named now holds another export: finish that one, or begin anew after deleting the folder',
    );
  });

  it('changes nothing in a store that holds a mesh', async () => {
    const folder = await exported();
    const target = fresh('target');
    cpSync(data, target, { recursive: true });
    const store = await embedded(target);
    const { revision } = await store.range({ key: KEYS.mesh() });
    await expect(imported(folder, store, target)).rejects.toThrow(
      `the store holds the mesh ${meshId} under ${KEYS.prefix} already: an import goes into an empty store`,
    );
    expect((await store.range({ key: KEYS.mesh() })).revision).toBe(revision);
  });

  it('goes on with an export that broke off, and leaves other folders alone', async () => {
    const folder = fresh('export');
    mkdirSync(folder);
    writeFileSync(join(folder, UNFINISHED_FILE), '');
    await exported(data, folder);
    expect([existsSync(join(folder, UNFINISHED_FILE)), existsSync(join(folder, MANIFEST_FILE))]).toEqual([false, true]);
    await expect(exported(data, folder)).rejects.toThrow('is not empty: name a folder that is not there yet');
  });

  it('says which artifact is missing or damaged in the mesh', async () => {
    const source = fresh('source');
    cpSync(data, source, { recursive: true });
    const [sha256 = ''] = await blobNames(await exported());
    const path = await blobsIn(source).path(sha256);
    appendFileSync(path, 'x');
    await expect(exported(source)).rejects.toThrow(new RegExp(`^the artifact ${sha256} of default/.* is damaged`));
    await open.pop()?.close();
    rmSync(path);
    await expect(exported(source)).rejects.toThrow(
      new RegExp(`^the artifact ${sha256} of default/.* is not in the folder`),
    );
  });

  const edit = (name: string, change: (text: string) => string) => (folder: string) =>
    writeFileSync(join(folder, name), change(readFileSync(join(folder, name), 'utf8')));
  it.each<[string, (folder: string) => Promise<void> | void, string]>([
    [
      'no manifest',
      (folder) => rmSync(join(folder, MANIFEST_FILE)),
      'holds no complete export: it has no manifest.json',
    ],
    [
      'a cut manifest',
      edit(MANIFEST_FILE, (text) => text.slice(0, 40)),
      'manifest.json cannot be read (it is not JSON)',
    ],
    ['another manifest', edit(MANIFEST_FILE, () => '{"a":1}'), 'manifest.json is not that of an export'],
    [
      'a newer format',
      edit(MANIFEST_FILE, (text) => text.replace('"format": 1', '"format": 9')),
      'was written in format 9, this release reads 1: import it with the release that wrote it',
    ],
    [
      'a wrong count',
      edit(MANIFEST_FILE, (text) => text.replace('"models": 2', '"models": 3')),
      'it has 2 records of models, its manifest says 3',
    ],
    [
      'a changed record',
      edit(RECORDS_FILE, (text) => text.replace('digits', 'fidget')),
      'records.jsonl has another digest',
    ],
    ['no records', (folder) => rmSync(join(folder, RECORDS_FILE)), 'records.jsonl cannot be read (ENOENT)'],
    [
      'a record of a newer release',
      resigned((text) => text.replace('"v":2', '"v":7')),
      'has format 7, this release knows 2',
    ],
    ['a record that is no JSON', resigned((text) => `${text}x\n`, { desired: 1 }), 'is not JSON'],
    [
      'a record under a wrong key',
      resigned((text) => text.replace('models/default/digits', 'models/default/other')),
      'belongs under models/default/digits',
    ],
    [
      'a version without its model',
      resigned((text) => text.replace(/.*models\/default\/digits.*\n/, ''), { models: 1 }),
      'has no model',
    ],
    ['a missing blob', async (folder) => rmSync(await blobFile(folder)), 'is missing'],
    [
      'a damaged blob',
      async (folder) => writeFileSync(await blobFile(folder), 'other bytes'),
      'has other bytes than its digest says',
    ],
  ])('writes nothing where the export has %s', async (_name, spoil, sentence) => {
    const folder = fresh('spoilt');
    cpSync(await exported(), folder, { recursive: true }); // a copy: a link would spoil the mesh itself
    await spoil(folder);
    const target = fresh('target');
    const store = await embedded(target);
    const refusal = await imported(folder, store, target).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Error);
    expect((refusal as Error).message).toContain(sentence);
    expect((await store.range({ prefix: '' })).entries).toEqual([]);
    expect(existsSync(join(target, 'registry', 'blobs'))).toBe(false);
  });

  describeWithEtcd('through etcd', () => {
    it('is the same again when it is back in an embedded store', async () => {
      const etcd = await startEtcd();
      try {
        const prefix = new KeyLayout('/bms/moved/');
        const inEtcd = await openEtcdStore({ endpoints: [etcd.endpoint] });
        open.push(inEtcd);
        const middle = fresh('etcd');
        await imported(await exported(), inEtcd, middle, { keys: prefix });
        expect(await contentOf(inEtcd, prefix.prefix)).toEqual(await original());
        const target = fresh('target');
        const store = await embedded(target);
        const back = await exported(middle, fresh('export'), inEtcd, prefix);
        await imported(back, store, target);
        expect(await contentOf(store, KEYS.prefix)).toEqual(await original());
        const [accepted] = (await store.range({ key: KEYS.accepted() })).entries;
        expect(acceptedFormat.decode(accepted!.value, accepted!.key).epoch).toBe(2);
      } finally {
        for (const store of open.splice(0)) await store.close();
        await etcd.dispose();
      }
    });
  });

  async function otherExport(): Promise<string> {
    const registry = await RunningRegistry.start();
    await registry.push({ files: [await registry.upload('m.onnx', identityModel())] });
    await registry.stop();
    const folder = await exported(registry.data);
    await registry.close();
    return folder;
  }

  async function blobNames(folder: string): Promise<readonly string[]> {
    const text = readFileSync(join(folder, RECORDS_FILE), 'utf8');
    const line = text.split('\n').find((one) => one.includes(`versions/default/${MODEL}/`)) ?? '';
    return [...line.matchAll(/"sha256":"([0-9a-f]{64})"/g)].map(([, sha256]) => sha256 ?? '');
  }

  async function blobFile(folder: string): Promise<string> {
    const [sha256 = ''] = await blobNames(folder);
    return join(folder, 'blobs', sha256.slice(0, 2), sha256.slice(2));
  }
});

/** Changes the records and makes the manifest fit: somebody who means it. */
function resigned(change: (text: string) => string, counts: Readonly<Record<string, number>> = {}) {
  return (folder: string): void => {
    const path = join(folder, RECORDS_FILE);
    const text = change(readFileSync(path, 'utf8'));
    writeFileSync(path, text);
    const manifest = JSON.parse(readFileSync(join(folder, MANIFEST_FILE), 'utf8')) as TransferManifest;
    const sha256 = createHash('sha256').update(text).digest('hex');
    const records = { ...manifest.records, ...counts, sha256 };
    writeFileSync(join(folder, MANIFEST_FILE), JSON.stringify({ ...manifest, records }));
  };
}

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
