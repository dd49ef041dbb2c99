import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { BmsError, Reason } from '@bms/contracts';
import { FolderBlobStore } from './folder-blob-store';

// The build, for a second process on the same folder: `npm test` makes it first.
const ARTIFACTS = resolve(__dirname, '../dist/index.js');
const HOUR_MS = 3_600_000;

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function* chunksOf(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

async function* breakingOff(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  throw new Error('the connection broke');
}

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('FolderBlobStore', () => {
  let folder: string;
  let store: FolderBlobStore;
  const bytes = randomBytes(300_000);
  const digest = sha256(bytes);
  const size = bytes.byteLength;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bms-blobs-'));
    store = new FolderBlobStore(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const uploadsLeft = (): string[] => readdirSync(join(folder, 'uploads'));

  it('keeps a blob whole, under its digest, and leaves nothing else behind', async () => {
    expect(await store.stat(digest)).toEqual({ kind: 'absent' });
    expect(await store.write(digest, size, 0, chunksOf(bytes, 64_000))).toBe(size);
    expect(await store.stat(digest)).toEqual({ kind: 'complete', sizeBytes: size });
    expect((await bytesOf(await store.read(digest))).equals(bytes)).toBe(true);
    expect((await bytesOf(await store.read(digest, 299_990))).equals(bytes.subarray(299_990))).toBe(true);
    expect((await bytesOf(await store.read(digest, size))).byteLength).toBe(0);
    expect(await store.path(digest)).toBe(join(folder, digest.slice(0, 2), digest.slice(2)));
    expect(uploadsLeft()).toEqual([]);
  });

  it('takes an empty blob', async () => {
    const empty = sha256(Buffer.alloc(0));
    expect(await store.write(empty, 0, 0, chunksOf(Buffer.alloc(0), 1))).toBe(0);
    expect(await store.stat(empty)).toEqual({ kind: 'complete', sizeBytes: 0 });
  });

  it('writes a blob that is there already no second time', async () => {
    await store.write(digest, size, 0, chunksOf(bytes, 64_000));
    expect(await store.write(digest, size, 0, breakingOff(bytes))).toBe(size);
    await expect(store.write(digest, size - 1, 0, chunksOf(bytes, 64_000))).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: `size_bytes: ${size - 1} is wrong: this blob has ${size} bytes`,
    });
  });

  it('goes on where an upload broke off, also in a new process', async () => {
    await expect(store.write(digest, size, 0, breakingOff(bytes.subarray(0, 100_000)))).rejects.toThrow(
      'the connection broke',
    );
    expect(await store.stat(digest)).toEqual({ kind: 'partial', receivedBytes: 100_000 });
    const later = new FolderBlobStore(folder);
    expect(await later.write(digest, size, 100_000, chunksOf(bytes.subarray(100_000, 150_000), 7_000))).toBe(150_000);
    expect(await later.write(digest, size, 150_000, chunksOf(bytes.subarray(150_000), 64_000))).toBe(size);
    expect((await bytesOf(await later.read(digest))).equals(bytes)).toBe(true);
  });

  it('completes an upload whose process died between the last byte and the rename', async () => {
    await expect(store.write(digest, size, 0, breakingOff(bytes))).rejects.toThrow('broke');
    expect(await store.write(digest, size, size, chunksOf(bytes.subarray(size), 1))).toBe(size);
    expect(await store.stat(digest)).toEqual({ kind: 'complete', sizeBytes: size });
  });

  it.each([0, 99_999, 100_001])('names the right offset when told to go on at %i', async (offset) => {
    await store.write(digest, size, 0, chunksOf(bytes.subarray(0, 100_000), 50_000));
    await expect(store.write(digest, size, offset, chunksOf(bytes, 64_000))).rejects.toMatchObject({
      reason: Reason.UPLOAD_INTERRUPTED,
      message: `offset_bytes: ${offset} is not where the upload stopped: 100000 bytes are here, go on from there`,
      facts: { receivedBytes: '100000' },
    });
    expect(await store.stat(digest)).toEqual({ kind: 'partial', receivedBytes: 100_000 });
  });

  it('throws bytes with the wrong digest away', async () => {
    const promised = sha256(Buffer.from('something else'));
    await expect(store.write(promised, size, 0, chunksOf(bytes, 64_000))).rejects.toMatchObject({
      reason: Reason.DIGEST_MISMATCH,
      facts: { sha256: digest, promised },
    });
    expect(await store.stat(promised)).toEqual({ kind: 'absent' });
    expect(uploadsLeft()).toEqual([]);
  });

  it('finds out when the part that lay on disk has changed', async () => {
    await store.write(digest, size, 0, chunksOf(bytes.subarray(0, 100_000), 50_000));
    writeFileSync(join(folder, 'uploads', `${digest}.part`), Buffer.alloc(100_000));
    await expect(store.write(digest, size, 100_000, chunksOf(bytes.subarray(100_000), 64_000))).rejects.toMatchObject({
      reason: Reason.DIGEST_MISMATCH,
    });
  });

  it('refuses more bytes than promised, and throws them away', async () => {
    await expect(store.write(digest, 100_000, 0, chunksOf(bytes, 64_000))).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: 'chunk: more bytes came than the 100000 promised; all were thrown away',
    });
    expect(await store.stat(digest)).toEqual({ kind: 'absent' });
  });

  it('starts again where somebody else had promised more bytes under the same digest', async () => {
    await store.write(digest, size + 10, 0, chunksOf(Buffer.concat([bytes, Buffer.from('x')]), 64_000));
    await expect(store.write(digest, size, size + 1, chunksOf(bytes, 64_000))).rejects.toMatchObject({
      reason: Reason.UPLOAD_INTERRUPTED,
      facts: { receivedBytes: '0' },
    });
    expect(await store.write(digest, size, 0, chunksOf(bytes, 64_000))).toBe(size);
  });

  it('lets a writer go whose bytes do not come, and keeps what came', async () => {
    const stuck: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => {
        let sent = false;
        return {
          next: () => {
            if (sent) return new Promise(() => undefined);
            sent = true;
            return Promise.resolve({ done: false, value: bytes.subarray(0, 1_000) });
          },
        };
      },
    };
    const abort = new AbortController();
    const writing = store.write(digest, size, 0, stuck, abort.signal);
    while ((await store.stat(digest)).kind === 'absent') await new Promise(setImmediate);
    abort.abort(new Error('gave up'));
    await expect(writing).rejects.toThrow('gave up');
    expect(uploadsLeft()).toEqual([`${digest}.part`]);
    expect((await store.stat(digest)).kind).toBe('partial');
  });

  it.each(['short', digest.toUpperCase(), `${digest.slice(0, 62)}/.`, `../${digest.slice(3)}`, `${digest}\n`, ''])(
    'takes %j for no digest',
    async (name) => {
      const refused = { reason: Reason.INVALID_REQUEST, violations: [{ field: 'sha256' }] };
      await expect(store.stat(name)).rejects.toMatchObject(refused);
      await expect(store.write(name, 1, 0, chunksOf(bytes, 1))).rejects.toMatchObject(refused);
      await expect(store.read(name)).rejects.toMatchObject(refused);
      await expect(store.path(name)).rejects.toMatchObject(refused);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it.each([-1, 1.5, NaN, 2 ** 60])('takes %d for no size and no offset', async (count) => {
    const refused = { reason: Reason.INVALID_REQUEST };
    await expect(store.write(digest, count, 0, chunksOf(bytes, 1))).rejects.toMatchObject(refused);
    await expect(store.write(digest, size, count, chunksOf(bytes, 1))).rejects.toMatchObject(refused);
    await expect(store.read(digest, count)).rejects.toMatchObject(refused);
  });

  it('answers BLOB_NOT_FOUND for what is not there, and for what is not complete', async () => {
    await store.write(digest, size, 0, chunksOf(bytes.subarray(0, 10), 5));
    await expect(store.read(digest)).rejects.toMatchObject({ reason: Reason.BLOB_NOT_FOUND });
    await expect(store.path(digest)).rejects.toMatchObject({ reason: Reason.BLOB_NOT_FOUND });
  });

  describe('with two writers of one digest', () => {
    let writer: ChildProcess | undefined;
    afterEach(() => writer?.kill('SIGKILL'));

    it('answers CONFLICT to the second, and takes it once the first is gone', async () => {
      let goOn = (): void => undefined;
      let begun = (): void => undefined;
      const beginning = new Promise<void>((resolve) => (begun = resolve));
      const waiting = new Promise<void>((resolve) => (goOn = resolve));
      const slow = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, 1_000);
        begun();
        await waiting;
      };
      const first = store.write(digest, size, 0, slow());
      await beginning;
      const second = new FolderBlobStore(folder);
      const conflict = await second
        .write(digest, size, 1_000, chunksOf(bytes, 64_000))
        .catch((error: unknown) => error);
      expect(BmsError.is(conflict, Reason.CONFLICT)).toBe(true);
      goOn();
      expect(await first).toBe(1_000);
      expect(await second.write(digest, size, 1_000, chunksOf(bytes.subarray(1_000), 64_000))).toBe(size);
    });

    it('keeps other processes out, until the writer dies', async () => {
      writer = spawn(process.execPath, [
        '-e',
        `
        const { FolderBlobStore } = require(${JSON.stringify(ARTIFACTS)});
        async function* chunks() { yield Buffer.alloc(10, 'x'); console.log('begun'); await new Promise(() => setInterval(() => {}, 1000)); }
        void new FolderBlobStore(${JSON.stringify(folder)}).write('${digest}', ${size}, 0, chunks());
      `,
      ]);
      await once(writer.stdout as Readable, 'data');
      await expect(store.write(digest, size, 10, chunksOf(bytes, 64_000))).rejects.toMatchObject({
        reason: Reason.CONFLICT,
      });
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      expect(await store.write(digest, size, 10, chunksOf(bytes.subarray(0, 10), 10))).toBe(20);
    });
  });

  describe('sweep', () => {
    const age = (path: string, ms: number): void => {
      const then = new Date(Date.now() - ms);
      utimesSync(path, then, then);
    };

    it('deletes what nothing refers to and nobody touched for long, and only that', async () => {
      const blobs = await Promise.all(
        ['used', 'fresh', 'old'].map(async (name) => {
          const content = Buffer.from(name);
          await store.write(sha256(content), content.byteLength, 0, chunksOf(content, 10));
          return sha256(content);
        }),
      );
      const [used, fresh, old] = blobs as [string, string, string];
      await store.write(digest, size, 0, chunksOf(bytes.subarray(0, 10), 5));
      const openUpload = sha256(Buffer.from('open'));
      await store.write(openUpload, 4, 0, chunksOf(Buffer.from('op'), 5));
      writeFileSync(join(folder, 'uploads', `${digest}.lock.crash.tmp`), 'x');
      for (const sha of [used, old]) age(await store.path(sha), 2 * HOUR_MS);
      age(join(folder, 'uploads', `${digest}.part`), 2 * HOUR_MS);
      age(join(folder, 'uploads', `${digest}.lock.crash.tmp`), 2 * HOUR_MS);

      expect(await store.sweep((sha) => sha === used, HOUR_MS)).toBe(2);
      expect(await store.stat(used)).toMatchObject({ kind: 'complete' });
      expect(await store.stat(fresh)).toMatchObject({ kind: 'complete' });
      expect(await store.stat(old)).toEqual({ kind: 'absent' });
      expect(await store.stat(digest)).toEqual({ kind: 'absent' });
      expect(uploadsLeft()).toEqual([`${openUpload}.part`]);
    });

    it('spares what somebody has asked for since, since a push may be about to refer to it', async () => {
      await store.write(digest, size, 0, chunksOf(bytes, 64_000));
      age(await store.path(digest), 2 * HOUR_MS);
      await store.stat(digest);
      expect(await store.sweep(() => false, HOUR_MS)).toBe(0);
      age(await store.path(digest), 2 * HOUR_MS);
      await store.write(digest, size, 0, chunksOf(bytes, 64_000));
      expect(await store.sweep(() => false, HOUR_MS)).toBe(0);
    });

    it('spares an upload that is being written', async () => {
      const sweeping = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, 1_000);
        while (statSync(join(folder, 'uploads', `${digest}.part`)).size < 1_000) await new Promise(setImmediate);
        age(join(folder, 'uploads', `${digest}.part`), 2 * HOUR_MS);
        expect(await store.sweep(() => false, HOUR_MS)).toBe(0);
        yield bytes.subarray(1_000);
      };
      expect(await store.write(digest, size, 0, sweeping())).toBe(size);
    });

    it('finds nothing in a folder that is not there', async () => {
      expect(await new FolderBlobStore(join(folder, 'none')).sweep(() => false, 0)).toBe(0);
    });
  });

  it('says that the disk is full, in a sentence, and can go on later', async () => {
    // A limit on the size of files stands for a full disk: to the process both look the same.
    const script = `
      const { FolderBlobStore } = require(${JSON.stringify(ARTIFACTS)});
      async function* chunks() { yield Buffer.alloc(300000, 'x'); }
      new FolderBlobStore(${JSON.stringify(folder)}).write('${digest}', 300000, 0, chunks())
        .catch((error) => console.log(error.name, error.message));
    `;
    const shell = spawn('sh', ['-c', `trap '' XFSZ; ulimit -f 100; exec "$0" -e "$1"`, process.execPath, script]);
    expect(await text(shell.stdout)).toBe(
      `BmsError there is no room on the disk that holds ${folder} (EFBIG): free some, then try again\n`,
    );
    expect(await store.stat(digest)).toMatchObject({ kind: 'partial' });
  });
});
