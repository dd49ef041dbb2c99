import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MANIFEST_FILE, RECORDS_FILE, type TransferManifest } from './transfer-format';
import { blobNamesIn, MovableMesh } from './transfer.testkit';

type Spoilt = [name: string, spoil: (folder: string) => Promise<void> | void, sentence: string];

describe('an export that is damaged', () => {
  let mesh: MovableMesh;
  beforeAll(async () => {
    mesh = await MovableMesh.make();
  });
  afterEach(() => mesh.closeStores());
  afterAll(() => mesh.remove());

  const edit = (name: string, change: (text: string) => string) => (folder: string) =>
    writeFileSync(join(folder, name), change(readFileSync(join(folder, name), 'utf8')));
  it.each<Spoilt>([
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
      resigned((text) => text.replace('"v":3', '"v":7')),
      'has format 7, this release knows 3',
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
    ['a cut blob', async (folder) => writeFileSync(blobFile(folder), 'short'), 'has 5 bytes, and not'],
    ...[MANIFEST_FILE, RECORDS_FILE].flatMap((name): Spoilt[] => [
      [`a pipe as ${name}`, (folder) => pipeAt(join(folder, name)), `${name} is not a regular file`],
      [`a link as ${name}`, (folder) => linkAt(join(folder, name)), `${name} is not a regular file`],
    ]),
    ['a link as a blob', (folder) => linkAt(blobFile(folder)), 'is not a regular file'],
    [
      'a huge manifest',
      edit(MANIFEST_FILE, (text) => text.padEnd(65_537)),
      'manifest.json has 65537 bytes, at most 65536 are allowed',
    ],
    [
      'an epoch that cannot be raised',
      edit(MANIFEST_FILE, (text) => text.replace('"epoch": 0', `"epoch": ${Number.MAX_SAFE_INTEGER}`)),
      'manifest.json is wrong at "epoch"',
    ],
    [
      "another mesh's records",
      edit(MANIFEST_FILE, (text) => text.replace(/"meshId": "[^"]*"/, '"meshId": "other"')),
      "the manifest's meshId is other; nothing was imported",
    ],
    [
      'a path that leaves the folder',
      changed('versions/default/digits/0000000000000001', { artifact: { files: [{ path: '../../../../etc/x' }] } }),
      'versions/default/digits/0000000000000001: files[0].path: "../../../../etc/x" leaves the folder',
    ],
    [
      'an entry that leaves the folder',
      changed('versions/default/digits/0000000000000001', { artifact: { entry: '../../x' } }),
      'versions/default/digits/0000000000000001: entry: "../../x" is not one of the files',
    ],
    [
      'too many replicas',
      changed('versions/default/digits/0000000000000001', { config: { replicas: 999_999_999 } }),
      'versions/default/digits/0000000000000001: config.replicas: 999999999 is not allowed',
    ],
    [
      'an unknown device',
      changed('versions/default/digits/0000000000000001', { config: { device: 'toaster' } }),
      'versions/default/digits/0000000000000001: config.device: "toaster" is not allowed',
    ],
    [
      'options of an unknown provider',
      changed('versions/default/digits/0000000000000001', { config: { providerOptions: { toaster: {} } } }),
      'versions/default/digits/0000000000000001: config.provider_options: "toaster" is not allowed',
    ],
    [
      'a latest version below the others',
      changed('models/default/digits', { latestVersion: 1 }),
      'models/default/digits: latestVersion: is 1, but there are 2 versions',
    ],
    [
      'an active version that is absent',
      changed('models/default/digits', { activeVersion: 9 }),
      'models/default/digits: activeVersion: names version 9, which is missing',
    ],
    [
      'an active version that is deleted',
      changed('models/default/digits', { activeVersion: 2 }),
      'models/default/digits: activeVersion: names version 2, which is deleted',
    ],
    [
      'a label without a name',
      changed('models/default/digits', { labels: { '': 1 } }),
      'models/default/digits: labels: "" is not allowed',
    ],
    [
      'a label that is a number',
      changed('models/default/digits', { labels: { '9 9': 1 } }),
      'models/default/digits: labels: "9 9" is not allowed',
    ],
    [
      'a label of a deleted version',
      changed('models/default/digits', { labels: { constructor: 2 } }),
      'models/default/digits: labels.constructor: names version 2, which is deleted',
    ],
    [
      'a generation that cannot be raised',
      changed('desired/w-a', { generation: Number.MAX_SAFE_INTEGER }),
      'desired/w-a: generation: 9007199254740991 is not allowed',
    ],
    [
      'a request that made another version',
      changed('requests/default/digits/one', { version: 2 }),
      'requests/default/digits/one: version: names version 2, which another request made',
    ],
    ['a missing blob', async (folder) => rmSync(blobFile(folder)), 'is missing'],
    [
      'a damaged blob',
      async (folder) => writeFileSync(blobFile(folder), readFileSync(blobFile(folder)).fill(0)),
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

function pipeAt(path: string): void {
  rmSync(path);
  execFileSync('mkfifo', [path]);
}

/** Leads to the same bytes. */
function linkAt(path: string): void {
  renameSync(path, `${path}.moved`);
  symlinkSync(`${path}.moved`, path);
}

type Changes = { readonly [field: string]: unknown };

/** Changes fields of one record, and makes the manifest fit. */
function changed(key: string, changes: Changes): (folder: string) => void {
  return resigned((text) =>
    text.replace(/.+/g, (line) => {
      const record = JSON.parse(line) as { readonly key: string; readonly value: Changes };
      return record.key === key ? JSON.stringify({ key, value: merged(record.value, changes) }) : line;
    }),
  );
}

function merged(value: unknown, changes: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(changes)) return value.map((one, at) => merged(one, changes[at]));
  if (typeof value !== 'object' || typeof changes !== 'object') return changes ?? value;
  const fields = Object.entries(changes as Changes).map(([name, change]) => [
    name,
    Object.hasOwn(value as Changes, name) ? merged((value as Changes)[name], change) : change,
  ]);
  return { ...value, ...(Object.fromEntries(fields) as Changes) };
}

/** Changes the records and makes the manifest fit: somebody who means it. */
function resigned(change: (text: string) => string, counts: Readonly<Record<string, number>> = {}) {
  return (folder: string): void => {
    const path = join(folder, RECORDS_FILE);
    const text = change(readFileSync(path, 'utf8'));
    writeFileSync(path, text);
    const manifest = JSON.parse(readFileSync(join(folder, MANIFEST_FILE), 'utf8')) as TransferManifest;
    const sha256 = createHash('sha256').update(text).digest('hex');
    const records = { ...manifest.records, ...counts, sha256, sizeBytes: Buffer.byteLength(text) };
    writeFileSync(join(folder, MANIFEST_FILE), JSON.stringify({ ...manifest, records }));
  };
}
