import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsError, CallMetadata, modelService, Reason, type adminService } from '@bms/contracts';
import { BmsClient } from './bms-client';
import { systemClock, type Clock } from './clock';
import { FakeMesh } from './fake-mesh.testkit';
import type { PushFile, PushProgress } from './push-version';

const MIB = 1024 * 1024;

describe('pushVersion', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-push-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  let mesh: FakeMesh;
  let client: BmsClient;
  const progress: PushProgress[] = [];
  const onProgress = (step: PushProgress): void => void progress.push(step);
  beforeEach(async () => {
    mesh = await FakeMesh.start();
    client = connect(systemClock);
    progress.length = 0;
  });
  afterEach(async () => {
    client.close();
    await mesh.close();
  });

  function connect(clock: Clock): BmsClient {
    return new BmsClient({ admin: mesh.address, token: 'secret', clock });
  }

  function file(path: string, content: Uint8Array | string): PushFile & { readonly sha256: string } {
    const place = join(folder, path.replaceAll('/', '-'));
    writeFileSync(place, content);
    return { path, file: place, sha256: createHash('sha256').update(content).digest('hex') };
  }

  it('uploads what is not there and registers it as a version', async () => {
    const model = file('model.onnx', randomBytes(2 * MIB + 17));
    const twin = { ...model, path: 'copy/of.onnx' };
    const empty = file('data/empty.txt', '');
    const { version, uploadedBytes } = await client.pushVersion({
      model: 'digits',
      files: [model, twin, empty],
      entry: 'model.onnx',
      notes: 'a note',
      config: { replicas: 3 },
      onProgress,
    });
    expect(version.ref).toEqual({ tenant: 'default', model: 'digits', version: 1n });
    expect(uploadedBytes).toBe(2 * MIB + 17);
    expect([...mesh.blobs.keys()].sort()).toEqual([model.sha256, empty.sha256].sort());
    const [request] = mesh.requestsOf<modelService.RegisterVersionRequest>('RegisterVersion');
    expect(request).toMatchObject({ entry: 'model.onnx', notes: 'a note', config: { replicas: 3 } });
    expect(request?.files.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
      ['model.onnx', BigInt(2 * MIB + 17)],
      ['copy/of.onnx', BigInt(2 * MIB + 17)],
      ['data/empty.txt', 0n],
    ]);
    expect(mesh.calls[0]?.metadata.get(CallMetadata.authorization)).toBe('Bearer secret');
    expect(progress.at(-1)).toEqual({ phase: 'registering' });
    expect(progress.at(-2)).toEqual({ phase: 'uploading', doneBytes: 2 * MIB + 17, totalBytes: 2 * MIB + 17 });
  });

  it('sends nothing that the mesh has', async () => {
    const files = [file('model.onnx', 'the same bytes')];
    await client.pushVersion({ model: 'digits', files });
    const again = await client.pushVersion({ model: 'digits', files });
    expect(again).toMatchObject({ uploadedBytes: 0, version: { ref: { version: 2n } } });
  });

  it.each([
    ['the registry ends the call', (): void => void 0],
    ['the connection breaks', (): void => void mesh.restart()],
  ])('goes on where it broke off when %s', async (_name, breakOff) => {
    const content = randomBytes(4 * MIB);
    let broken = false;
    mesh.onReceived = (receivedBytes) => {
      if (broken || receivedBytes < 2 * MIB) return;
      broken = true;
      breakOff();
      throw new BmsError(Reason.UPLOAD_INTERRUPTED, 'the disk hiccuped');
    };
    const { uploadedBytes } = await client.pushVersion({
      model: 'digits',
      files: [file('model.onnx', content)],
      onProgress,
    });
    expect([...mesh.blobs.values()].map((bytes) => Buffer.compare(bytes, content))).toEqual([0]);
    // What was under way when it broke is sent twice, what had arrived is not.
    expect(uploadedBytes).toBeLessThan(2 * 4 * MIB - MIB);
    expect(progress.some(({ phase }) => phase === 'waiting')).toBe(true);
  });

  it('uses another address when one is gone', async () => {
    mesh.blobAddresses = ['127.0.0.1:1', mesh.address];
    await client.pushVersion({ model: 'digits', files: [file('model.onnx', 'bytes')] });
    expect(mesh.blobs.size).toBe(1);
  });

  it('gives up after a bounded number of attempts that moved nothing', async () => {
    mesh.blobAddresses = ['127.0.0.1:1'];
    const pauses: number[] = [];
    client.close();
    client = connect({ now: systemClock.now, sleep: async (ms) => void pauses.push(ms) });
    const push = client.pushVersion({ model: 'digits', files: [file('model.onnx', 'bytes')] });
    await expect(push).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
    expect(pauses).toHaveLength(7);
    expect(mesh.versions).toEqual([]);
  });

  it('says DIGEST_MISMATCH and registers nothing when the bytes are others than were hashed', async () => {
    const model = file('model.onnx', randomBytes(MIB));
    const push = client.pushVersion({
      model: 'digits',
      files: [model],
      onProgress: ({ phase }) => {
        // As long as before, so that only the digest tells.
        if (phase === 'hashing') writeFileSync(model.file, randomBytes(MIB));
      },
    });
    await expect(push).rejects.toMatchObject({ reason: Reason.DIGEST_MISMATCH });
    expect(mesh.versions).toEqual([]);
  });

  it.each([
    ['shorter', MIB - 1],
    ['longer', MIB + 1],
  ])('says which file changed when it is %s than it was', async (_name, sizeBytes) => {
    const model = file('model.onnx', randomBytes(MIB));
    const push = client.pushVersion({
      model: 'digits',
      files: [model],
      onProgress: (step) => {
        if (step.phase === 'hashing' && step.doneBytes === MIB) writeFileSync(model.file, randomBytes(sizeBytes));
      },
    });
    await expect(push).rejects.toThrow('model.onnx changed while it was pushed');
    expect(mesh.versions).toEqual([]);
  });

  it('throws CANCELLED and registers nothing when the caller gives up', async () => {
    const caller = new AbortController();
    mesh.onReceived = () => caller.abort();
    const files = [file('model.onnx', randomBytes(4 * MIB))];
    const push = client.pushVersion({ model: 'digits', files, signal: caller.signal });
    await expect(push).rejects.toMatchObject({ reason: Reason.CANCELLED });
    expect(mesh.versions).toEqual([]);
  });

  it('registers once although the answer was lost', async () => {
    let asked = 0;
    mesh.models.registerVersion = async (request) => {
      const { requestId } = request;
      expect(requestId).not.toBe('');
      if (asked++ === 0) throw new BmsError(Reason.OUTCOME_UNKNOWN, 'the leader is gone');
      return { version: modelService.RegisterVersionResponse.create({ version: { notes: requestId } }).version };
    };
    const { version } = await client.pushVersion({ model: 'digits', files: [file('model.onnx', 'bytes')] });
    const ids = mesh
      .requestsOf<modelService.RegisterVersionRequest>('RegisterVersion')
      .map(({ requestId }) => requestId);
    expect(ids).toEqual([version.notes, version.notes]);
  });

  it.each([
    ['a wrong name', { model: 'no spaces', files: [] }, 'model: "no spaces" is not allowed'],
    ['no files', { model: 'digits', files: [] }, 'files: at least one file is needed'],
  ])('refuses %s before asking anybody', async (_name, options, sentence) => {
    await expect(client.pushVersion(options)).rejects.toThrow(sentence);
    expect(mesh.requestsOf<adminService.CreateUploadRequest>('CreateUpload')).toEqual([]);
  });
});
