import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MANIFEST_FILE, RECORDS_FILE, type TransferManifest } from './transfer-format';
import { blobNamesIn, MovableMesh } from './transfer.testkit';

describe('an export that is damaged', () => {
  let mesh: MovableMesh;
  beforeAll(async () => {
    mesh = await MovableMesh.make();
  });
  afterEach(() => mesh.closeStores());
  afterAll(() => mesh.remove());

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
    ['a missing blob', async (folder) => rmSync(blobFile(folder)), 'is missing'],
    [
      'a damaged blob',
      async (folder) => writeFileSync(blobFile(folder), 'other bytes'),
      'has other bytes than its digest says',
    ],
  ])('writes nothing where the export has %s', async (_name, spoil, sentence) => {
    const folder = mesh.fresh('spoilt');
    cpSync(await mesh.exported(), folder, { recursive: true }); // a copy: a link would spoil the mesh itself
    await spoil(folder);
    const target = mesh.fresh('target');
    const store = await mesh.embedded(target);
    const refusal = await mesh.imported(folder, store, target).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Error);
    expect((refusal as Error).message).toContain(sentence);
    expect((await store.range({ prefix: '' })).entries).toEqual([]);
    expect(existsSync(join(target, 'registry', 'blobs'))).toBe(false);
  });
});

function blobFile(folder: string): string {
  const [sha256 = ''] = blobNamesIn(folder);
  return join(folder, 'blobs', sha256.slice(0, 2), sha256.slice(2));
}

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
