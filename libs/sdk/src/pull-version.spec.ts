import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsError, Reason, type adminService, type blobService } from '@bms/contracts';
import { BmsClient } from './bms-client';
import { FakeMesh } from './fake-mesh.testkit';

describe('pullVersion', () => {
  let root: string;
  let mesh: FakeMesh;
  let client: BmsClient;
  const weights = randomBytes(10_000);

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'bms-pull-'));
    mesh = await FakeMesh.start();
    client = new BmsClient({ admin: mesh.address, token: 'secret', random: () => 0 });
    const source = join(root, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'model'), 'the model');
    writeFileSync(join(source, 'weights'), weights);
    await client.pushVersion({
      model: 'digits',
      files: [
        { path: 'model.onnx', file: join(source, 'model') },
        { path: 'data/weights.bin', file: join(source, 'weights') },
        { path: 'data/twin.bin', file: join(source, 'weights') },
      ],
    });
  });
  afterEach(async () => {
    client.close();
    await mesh.close();
    rmSync(root, { recursive: true });
  });
  const failing = async (folder: string, options: { readonly signal?: AbortSignal } = {}): Promise<BmsError> =>
    client.pullVersion({ model: 'digits', folder, ...options }).then(
      () => Promise.reject(new Error('it was pulled')),
      (error: unknown) => BmsError.from(error),
    );

  it('brings the files to their paths, equal content once, and tells how far it is', async () => {
    const folder = join(root, 'new', 'pulled');
    let doneBytes = 0;
    await client.pullVersion({
      model: 'digits',
      version: 1,
      folder,
      onProgress: (step) => {
        if (step.phase === 'downloading') doneBytes = step.doneBytes;
      },
    });
    expect(readFileSync(join(folder, 'model.onnx'), 'utf8')).toBe('the model');
    for (const name of ['weights.bin', 'twin.bin']) expect(readFileSync(join(folder, 'data', name))).toEqual(weights);
    expect(doneBytes).toBe(9 + 2 * weights.byteLength);
    expect(mesh.requestsOf('DownloadBlob')).toHaveLength(2);
    expect(readdirSync(join(root, 'new'))).toEqual(['pulled']);
  });

  it.each([
    ['a version', { version: 1 }, { version: 1n, label: '' }],
    ['a label', { label: 'stable' }, { version: 0n, label: 'stable' }],
    ['the active version', {}, { version: 0n, label: '' }],
  ])('asks for %s', async (_name, wish, { version, label }) => {
    await client.pullVersion({ model: 'digits', ...wish, folder: join(root, 'pulled') });
    expect(mesh.requestsOf<adminService.CreateDownloadRequest>('CreateDownload')).toEqual([
      { ref: { tenant: 'default', model: 'digits', version }, label },
    ]);
  });

  it('takes an empty folder, and touches nothing in one that is not', async () => {
    const folder = join(root, 'pulled');
    mkdirSync(folder);
    await client.pullVersion({ model: 'digits', folder });
    expect(readdirSync(folder).sort()).toEqual(['data', 'model.onnx']);
    const refusal = await failing(folder);
    expect(refusal).toMatchObject({ reason: Reason.INVALID_REQUEST });
    expect(refusal.message).toContain('is not empty: name a folder that is not there yet');
    expect(mesh.requestsOf('CreateDownload')).toHaveLength(1);
  });

  it('goes on where it broke off, at the next address', async () => {
    mesh.blobAddresses = ['127.0.0.1:1', mesh.address];
    let breaks = 1;
    let doneBytes = 0;
    mesh.onSending = async (offsetBytes) => {
      if (offsetBytes < 5_000 || breaks-- <= 0) return;
      // An error overtakes what is still on its way: it waits until all that was sent has come.
      while (doneBytes < offsetBytes) await new Promise(setImmediate);
      throw new BmsError(Reason.DRAINING, 'going away');
    };
    const folder = join(root, 'pulled');
    await client.pullVersion({
      model: 'digits',
      folder,
      onProgress: (step) => {
        if (step.phase === 'downloading') doneBytes = step.doneBytes;
      },
    });
    expect(readFileSync(join(folder, 'data', 'weights.bin'))).toEqual(weights);
    const offsets = mesh
      .requestsOf<blobService.DownloadBlobRequest>('DownloadBlob')
      .map(({ offsetBytes }) => offsetBytes);
    expect(offsets).toEqual([0n, 0n, 5_120n]);
  });

  it.each([
    ['other bytes come', 10_000, Reason.DIGEST_MISMATCH],
    ['more bytes come', 10_001, Reason.DIGEST_MISMATCH],
  ])('leaves nothing behind where %s', async (_name, sizeBytes, reason) => {
    const digest = [...mesh.blobs].find(([, bytes]) => bytes.byteLength === weights.byteLength)?.[0] ?? '';
    mesh.blobs.set(digest, randomBytes(sizeBytes));
    const folder = join(root, 'pulled');
    expect(await failing(folder)).toMatchObject({ reason });
    expect([existsSync(folder), readdirSync(root)]).toEqual([false, ['source']]);
  });

  it('leaves nothing behind when it is given up', async () => {
    const caller = new AbortController();
    mesh.onSending = () => {
      caller.abort();
      return new Promise(() => undefined);
    };
    const folder = join(root, 'pulled');
    expect(await failing(folder, { signal: caller.signal })).toMatchObject({ reason: Reason.CANCELLED });
    expect(readdirSync(root)).toEqual(['source']);
  });

  it('says which blob no registry has', async () => {
    mesh.blobs.clear();
    expect(await failing(join(root, 'pulled'))).toMatchObject({ reason: Reason.BLOB_NOT_FOUND });
  });

  (existsSync('/proc/self') ? it : it.skip)('ends where the file system takes no new folder', async () => {
    const refusal = await failing('/proc/bms-spec/pulled');
    expect(refusal).toMatchObject({ reason: Reason.INVALID_REQUEST });
    expect(refusal.message).toBe('folder: /proc/bms-spec/pulled cannot be written (ENOENT): name another one');
  });

  it('writes no path that would leave the folder', async () => {
    const [version] = mesh.versions;
    const [file] = version?.artifact?.files ?? [];
    if (file !== undefined) file.path = '../escaped';
    expect((await failing(join(root, 'pulled'))).message).toContain('"../escaped" leaves the folder');
    expect(readdirSync(root)).toEqual(['source']);
  });
});
