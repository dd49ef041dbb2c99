import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { models, Reason } from '@bms/contracts';
import { ArtifactCache, type ArtifactCacheOptions } from './artifact-cache';
import { artifactOf } from './artifact-files';
import type { FetchBlob } from './fetch-file';

// The build, for a second process on the same folder: `npm test` makes it first.
const ARTIFACTS = resolve(__dirname, '../dist/index.js');
const ALIVE = new AbortController().signal;

/** Where blobs come from, and what was asked of it. */
class Origin {
  readonly asked: { sha256: string; offsetBytes: number }[] = [];
  private readonly blobs = new Map<string, Buffer>();
  /** After so many bytes of a fetch the connection breaks; once. */
  breakAfterBytes: number | undefined;
  /** Fetches wait for it before their first byte. */
  gate: Promise<void> = Promise.resolve();
  signals: AbortSignal[] = [];

  artifact(files: Record<string, Buffer>): models.Artifact {
    const list = Object.entries(files).map(([path, bytes]) => {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      this.blobs.set(sha256, bytes);
      return models.ArtifactFile.create({ path, sizeBytes: BigInt(bytes.byteLength), sha256 });
    });
    return artifactOf(list, '');
  }

  lieAbout(sha256: string, bytes: Buffer): void {
    this.blobs.set(sha256, bytes);
  }

  readonly fetch: FetchBlob = (sha256, offsetBytes, signal) => this.send(sha256, offsetBytes, signal);

  private async *send(sha256: string, offsetBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.asked.push({ sha256, offsetBytes });
    this.signals.push(signal);
    await this.gate;
    const bytes = this.blobs.get(sha256) ?? Buffer.alloc(0);
    for (let at = offsetBytes; at < bytes.byteLength; at += 1_000) {
      if (this.breakAfterBytes !== undefined && at - offsetBytes >= this.breakAfterBytes) {
        this.breakAfterBytes = undefined;
        throw new Error('the connection broke');
      }
      yield bytes.subarray(at, Math.min(at + 1_000, bytes.byteLength));
    }
  }
}

describe('ArtifactCache', () => {
  let folder: string;
  let origin: Origin;
  let nowMs = Date.now();
  const open = (options: Partial<ArtifactCacheOptions> = {}): ArtifactCache =>
    new ArtifactCache({ folder, limitBytes: 100_000, fetch: origin.fetch, now: () => (nowMs += 1_000), ...options });
  const cached = (): string[] => readdirSync(join(folder, 'artifacts')).sort();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bms-cache-'));
    origin = new Origin();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('lays out the files of a version, byte for byte', async () => {
    const files = {
      'model.onnx': randomBytes(5_000),
      'weights/deep/a.bin': randomBytes(3_333),
      empty: Buffer.alloc(0),
    };
    const { folder: at, entryPath, release } = await open().materialize(origin.artifact(files), ALIVE);
    expect(entryPath).toBe(join(at, 'model.onnx'));
    for (const [path, bytes] of Object.entries(files)) expect(readFileSync(join(at, path)).equals(bytes)).toBe(true);
    expect(readdirSync(join(folder, 'partial'))).toEqual([]);
    release();
  });

  it('fetches files of equal bytes once', async () => {
    const bytes = randomBytes(2_000);
    const { folder: at } = await open().materialize(origin.artifact({ 'a.onnx': bytes, 'b.bin': bytes }), ALIVE);
    expect(readFileSync(join(at, 'b.bin')).equals(bytes)).toBe(true);
    expect(origin.asked).toHaveLength(1);
  });

  it('fetches nothing again after a restart', async () => {
    const artifact = origin.artifact({ 'model.onnx': randomBytes(5_000) });
    (await open().materialize(artifact, ALIVE)).release();
    const { entryPath } = await open().materialize(artifact, ALIVE);
    expect(existsSync(entryPath)).toBe(true);
    expect(origin.asked).toHaveLength(1);
  });

  it('fetches again what somebody has damaged', async () => {
    const bytes = randomBytes(5_000);
    const artifact = origin.artifact({ 'model.onnx': bytes, 'b.bin': randomBytes(10) });
    const first = await open().materialize(artifact, ALIVE);
    first.release();
    truncateSync(first.entryPath, 100);
    const again = await open().materialize(artifact, ALIVE);
    expect(readFileSync(again.entryPath).equals(bytes)).toBe(true);
  });

  it('shares one fetch among callers, and among caches on the same folder', async () => {
    const artifact = origin.artifact({ 'model.onnx': randomBytes(5_000) });
    const cache = open();
    const all = await Promise.all([
      cache.materialize(artifact, ALIVE),
      cache.materialize(artifact, ALIVE),
      open().materialize(artifact, ALIVE),
    ]);
    expect(new Set(all.map(({ entryPath }) => entryPath)).size).toBe(1);
    expect(origin.asked).toHaveLength(1);
  });

  it('goes on fetching for one caller when another gives up, and ends when all have', async () => {
    let openGate = (): void => undefined;
    origin.gate = new Promise((resolve) => (openGate = resolve));
    const artifact = origin.artifact({ 'model.onnx': randomBytes(5_000) });
    const cache = open();
    const [one, other] = [new AbortController(), new AbortController()];
    const first = cache.materialize(artifact, one.signal);
    const second = cache.materialize(artifact, other.signal);
    while (origin.asked.length === 0) await new Promise(setImmediate);
    one.abort(new Error('no more'));
    await expect(first).rejects.toThrow('no more');
    expect(origin.signals[0]?.aborted).toBe(false);
    other.abort(new Error('neither'));
    await expect(second).rejects.toThrow('neither');
    expect(origin.signals[0]?.aborted).toBe(true);
    openGate();
    expect(existsSync((await cache.materialize(artifact, ALIVE)).entryPath)).toBe(true);
  });

  it('goes on where a fetch broke off', async () => {
    const bytes = randomBytes(5_000);
    const artifact = origin.artifact({ 'model.onnx': bytes, 'a.bin': randomBytes(500) });
    origin.breakAfterBytes = 3_000;
    await expect(open().materialize(artifact, ALIVE)).rejects.toThrow('the connection broke');
    expect(cached()).toEqual([]);
    const { entryPath } = await open().materialize(artifact, ALIVE);
    expect(readFileSync(entryPath).equals(bytes)).toBe(true);
    expect(origin.asked.map(({ offsetBytes }) => offsetBytes)).toEqual([0, 0, 3_000]);
  });

  it.each([
    ['other bytes', (bytes: Buffer) => Buffer.alloc(bytes.byteLength), Reason.DIGEST_MISMATCH],
    ['more bytes', (bytes: Buffer) => Buffer.concat([bytes, bytes]), Reason.DIGEST_MISMATCH],
    ['fewer bytes', (bytes: Buffer) => bytes.subarray(0, 100), Reason.UPLOAD_INTERRUPTED],
  ])('refuses %s than promised and can still get the right ones', async (_, lie, reason) => {
    const bytes = randomBytes(5_000);
    const artifact = origin.artifact({ 'model.onnx': bytes });
    const sha256 = artifact.files[0]?.sha256 ?? '';
    origin.lieAbout(sha256, lie(bytes));
    await expect(open().materialize(artifact, ALIVE)).rejects.toMatchObject({ reason });
    expect(cached()).toEqual([]);
    origin.lieAbout(sha256, bytes);
    expect(readFileSync((await open().materialize(artifact, ALIVE)).entryPath).equals(bytes)).toBe(true);
  });

  it('refuses paths that leave its folder', async () => {
    const artifact = { ...origin.artifact({ 'm.onnx': randomBytes(10) }), entry: '../m.onnx' };
    artifact.files = [{ ...(artifact.files[0] as models.ArtifactFile), path: '../m.onnx' }];
    await expect(open().materialize(artifact, ALIVE)).rejects.toMatchObject({ reason: Reason.INVALID_REQUEST });
    await expect(open().materialize({ ...artifact, digest: '..' }, ALIVE)).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
    });
  });

  describe('when it is full', () => {
    const artifacts = (): [models.Artifact, models.Artifact, models.Artifact] => {
      const one = (): models.Artifact => origin.artifact({ 'model.onnx': randomBytes(40_000) });
      return [one(), one(), one()];
    };

    it('evicts what was used longest ago', async () => {
      const [a, b, c] = artifacts();
      const cache = open();
      (await cache.materialize(a, ALIVE)).release();
      (await cache.materialize(b, ALIVE)).release();
      (await cache.materialize(a, ALIVE)).release();
      await cache.materialize(c, ALIVE);
      expect(cached()).toEqual([a.digest, c.digest].sort());
    });

    it('never evicts what is used, by whichever process, and says so', async () => {
      const [a, b, c] = artifacts();
      const one = open();
      const other = open();
      const inUse = await one.materialize(a, ALIVE);
      const twice = await one.materialize(a, ALIVE);
      await other.materialize(b, ALIVE);
      await expect(one.materialize(c, ALIVE)).rejects.toMatchObject({
        reason: Reason.OVERLOADED,
        message:
          "the version has 40000 bytes, and 80000 of the cache's 100000 are in use: raise the limit (--cache-limit), or free versions",
      });
      inUse.release();
      inUse.release();
      await expect(one.materialize(c, ALIVE)).rejects.toMatchObject({ reason: Reason.OVERLOADED });
      twice.release();
      await one.materialize(c, ALIVE);
      expect(cached()).toEqual([b.digest, c.digest].sort());
    });

    it('counts what is being fetched, so that no room is given twice', async () => {
      const [a, b, c] = artifacts();
      let openGate = (): void => undefined;
      origin.gate = new Promise((resolve) => (openGate = resolve));
      const fetching = [open().materialize(a, ALIVE), open().materialize(b, ALIVE)];
      while (origin.asked.length < 2) await new Promise(setImmediate);
      await expect(open().materialize(c, ALIVE)).rejects.toMatchObject({ reason: Reason.OVERLOADED });
      openGate();
      await Promise.all(fetching);
    });

    it('gives up half-fetched versions before whole ones', async () => {
      const [a, b, c] = artifacts();
      const cache = open();
      (await cache.materialize(a, ALIVE)).release();
      origin.breakAfterBytes = 10_000;
      await expect(cache.materialize(b, ALIVE)).rejects.toThrow('broke');
      await cache.materialize(c, ALIVE);
      expect(cached()).toEqual([a.digest, c.digest].sort());
      expect(readdirSync(join(folder, 'partial'))).toEqual([]);
    });

    it('says that a version alone is too large for it', async () => {
      const artifact = origin.artifact({ 'model.onnx': randomBytes(100_001) });
      await expect(open().materialize(artifact, ALIVE)).rejects.toMatchObject({
        reason: Reason.OVERLOADED,
        message:
          'the version has 100001 bytes, and the whole cache may take 100000: raise the limit (--cache-limit), or free versions',
      });
      expect(origin.asked).toEqual([]);
    });
  });

  describe('with another process on the folder', () => {
    let other: ChildProcess | undefined;
    afterEach(() => other?.kill('SIGKILL'));

    /** Begins to fetch, says so after half of the bytes, and never gets the rest. */
    async function startFetcher(artifact: models.Artifact, half: Buffer): Promise<ChildProcess> {
      writeFileSync(join(folder, 'wanted.json'), JSON.stringify(models.Artifact.toJSON(artifact)));
      writeFileSync(join(folder, 'half.bin'), half);
      const script = `
        const { ArtifactCache } = require(${JSON.stringify(ARTIFACTS)});
        const { readFileSync } = require('node:fs');
        const [folder] = process.argv.slice(1);
        const artifact = JSON.parse(readFileSync(folder + '/wanted.json'));
        for (const file of artifact.files) file.sizeBytes = BigInt(file.sizeBytes);
        async function* fetch() {
          yield readFileSync(folder + '/half.bin');
          console.log('half');
          await new Promise((resolve) => process.once('SIGUSR2', resolve));
          yield Buffer.from('late bytes');
          console.log('late');
        }
        new ArtifactCache({ folder, limitBytes: 100000, fetch }).materialize(artifact, new AbortController().signal)
          .then(() => console.log('there'), (error) => console.log(error.message)).finally(() => process.exit());
        setInterval(() => {}, 1000);
      `;
      other = spawn(process.execPath, ['-e', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(other.stdout as Readable, 'data');
      return other;
    }

    it('goes on with what it had fetched when it is killed meanwhile', async () => {
      const bytes = randomBytes(60_000);
      const artifact = origin.artifact({ 'model.onnx': bytes });
      const fetcher = await startFetcher(artifact, bytes.subarray(0, 30_000));
      const waiting = open().materialize(artifact, ALIVE);
      fetcher.kill('SIGKILL');
      expect(readFileSync((await waiting).entryPath).equals(bytes)).toBe(true);
      expect(origin.asked).toEqual([{ sha256: artifact.files[0]?.sha256, offsetBytes: 30_000 }]);
    });

    it('takes over when it stands still, and is not harmed when it wakes up', async () => {
      const bytes = randomBytes(60_000);
      const artifact = origin.artifact({ 'model.onnx': bytes });
      const fetcher = await startFetcher(artifact, bytes.subarray(0, 30_000));
      fetcher.kill('SIGSTOP');
      const longAgo = new Date(Date.now() - 61_000);
      utimesSync(join(folder, 'locks', `${artifact.digest}.lock`), longAgo, longAgo);
      const { entryPath } = await open().materialize(artifact, ALIVE);
      expect(origin.asked.map(({ offsetBytes }) => offsetBytes)).toEqual([0]);
      fetcher.kill('SIGUSR2');
      fetcher.kill('SIGCONT');
      await once(fetcher, 'exit');
      expect(readFileSync(entryPath).equals(bytes)).toBe(true);
    });

    it('evicts nothing that it uses, until it dies', async () => {
      const [held, next] = [1, 2].map(() => origin.artifact({ 'model.onnx': randomBytes(60_000) }));
      const source = join(folder, 'source');
      if (held === undefined || next === undefined) throw new Error('two artifacts are needed');
      const bytes = (await open({ folder: source }).materialize(held, ALIVE)).entryPath;
      writeFileSync(join(folder, 'held.json'), JSON.stringify(models.Artifact.toJSON(held)));
      const script = `
        const { ArtifactCache } = require(${JSON.stringify(ARTIFACTS)});
        const { readFileSync } = require('node:fs');
        const artifact = JSON.parse(readFileSync(${JSON.stringify(join(folder, 'held.json'))}));
        for (const file of artifact.files) file.sizeBytes = BigInt(file.sizeBytes);
        async function* fetch() { yield readFileSync(${JSON.stringify(bytes)}); }
        new ArtifactCache({ folder: ${JSON.stringify(folder)}, limitBytes: 100000, fetch })
          .materialize(artifact, new AbortController().signal).then(() => { console.log('held'); setInterval(() => {}, 1000); });
      `;
      other = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(other.stdout as Readable, 'data');
      await expect(open().materialize(next, ALIVE)).rejects.toMatchObject({ reason: Reason.OVERLOADED });
      other.kill('SIGKILL');
      await once(other, 'exit');
      await open().materialize(next, ALIVE);
      expect(cached()).toEqual([next.digest]);
    });
  });
});
