import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { BmsError, Reason } from '@bms/contracts';
import type { BlobState, BlobStore } from './blob-store';
import { continueUpload } from './blob-upload';
import { explainDiskError, ifThere, syncFolder } from './durable-file';
import { FileLock } from './file-lock';
import { checkSha256 } from './sha256';

const CHUNK_BYTES = 256 * 1_024;
const CONFLICT_RETRY_MS = 1_000;
const SHARD = /^[0-9a-f]{2}$/;
const REST = /^[0-9a-f]{62}$/;

/**
 * Blobs as files of one folder, `ab/cdef…` for the digest `abcdef…`; what is not complete lies in `uploads`. Any number of
 * processes may share the folder.
 */
export class FolderBlobStore implements BlobStore {
  private readonly uploads: string;

  constructor(
    private readonly folder: string,
    private readonly now: () => number = Date.now,
  ) {
    this.uploads = join(folder, 'uploads');
  }

  async stat(sha256: string): Promise<BlobState> {
    checkSha256(sha256);
    const sizeBytes = await this.touch(sha256);
    if (sizeBytes !== undefined) return { kind: 'complete', sizeBytes };
    const partial = await ifThere(stat(this.uploadPath(sha256)));
    return partial === undefined ? { kind: 'absent' } : { kind: 'partial', receivedBytes: partial.size };
  }

  async write(
    sha256: string,
    sizeBytes: number,
    offsetBytes: number,
    chunks: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number> {
    checkSha256(sha256);
    checkCount('size_bytes', sizeBytes);
    checkCount('offset_bytes', offsetBytes);
    signal?.throwIfAborted();
    try {
      await mkdir(this.uploads, { recursive: true });
      return await this.locked(sha256, async (lock) => {
        if (await this.isComplete(sha256, sizeBytes)) return sizeBytes;
        const upload = { path: this.uploadPath(sha256), sha256, sizeBytes };
        // Whoever had the lock and stands still may wake up with the file open: that one is not ours to go on with.
        if (lock.tookOver) await rm(upload.path, { force: true });
        const receivedBytes = await continueUpload(upload, offsetBytes, chunks, signal);
        if (receivedBytes === sizeBytes) await this.complete(sha256, lock);
        return receivedBytes;
      });
    } catch (error) {
      throw explainDiskError(error, this.folder);
    }
  }

  async read(sha256: string, offsetBytes = 0): Promise<Readable> {
    checkCount('offset_bytes', offsetBytes);
    const file = await this.found(sha256, (path) => open(path, 'r'));
    const { size } = await file.stat();
    if (offsetBytes > size) {
      await file.close();
      throw BmsError.invalidRequest('offset_bytes', `${offsetBytes} is behind the end: the blob has ${size} bytes`);
    }
    return file.createReadStream({ start: offsetBytes, highWaterMark: CHUNK_BYTES });
  }

  async path(sha256: string): Promise<string> {
    await this.found(sha256, stat);
    return this.blobPath(sha256);
  }

  async sweep(isReferenced: (sha256: string) => boolean, idleMs: number): Promise<number> {
    const idleSince = this.now() - idleMs;
    let swept = 0;
    for (const shard of (await namesIn(this.folder)).filter((name) => SHARD.test(name))) {
      for (const rest of (await namesIn(join(this.folder, shard))).filter((name) => REST.test(name))) {
        const sha256 = `${shard}${rest}`;
        if (!isReferenced(sha256) && (await this.sweepBlob(sha256, idleSince))) swept++;
      }
    }
    for (const name of await namesIn(this.uploads)) {
      if (await this.sweepUpload(name, isReferenced, idleSince)) swept++;
    }
    return swept;
  }

  /** What is asked for is wanted: sweeping spares it for a while, until whoever asked has referred to it. */
  private async touch(sha256: string): Promise<number | undefined> {
    const path = this.blobPath(sha256);
    const now = new Date(this.now());
    return ifThere(utimes(path, now, now).then(async () => (await stat(path)).size));
  }

  private async isComplete(sha256: string, sizeBytes: number): Promise<boolean> {
    const completeBytes = await this.touch(sha256);
    if (completeBytes === undefined) return false;
    if (completeBytes === sizeBytes) return true;
    throw BmsError.invalidRequest('size_bytes', `${sizeBytes} is wrong: this blob has ${completeBytes} bytes`);
  }

  private async complete(sha256: string, lock: FileLock): Promise<void> {
    if (!(await lock.isHeld())) throw conflict(sha256);
    const shard = join(this.folder, sha256.slice(0, 2));
    if ((await mkdir(shard, { recursive: true })) !== undefined) await syncFolder(this.folder);
    await rename(this.uploadPath(sha256), this.blobPath(sha256));
    await syncFolder(shard);
  }

  private async locked<T>(sha256: string, run: (lock: FileLock) => Promise<T>): Promise<T> {
    const lock = await FileLock.take(join(this.uploads, `${sha256}.lock`));
    if (lock === undefined) throw conflict(sha256);
    try {
      return await run(lock);
    } finally {
      lock.release();
    }
  }

  private async found<T>(sha256: string, look: (path: string) => Promise<T>): Promise<T> {
    checkSha256(sha256);
    const there = await ifThere(look(this.blobPath(sha256)));
    if (there !== undefined) return there;
    throw new BmsError(Reason.BLOB_NOT_FOUND, `there is no blob ${sha256}`, { facts: { sha256 } });
  }

  /** Moves the blob aside before looking a last time, so that nobody is told of a blob that is then deleted. */
  private async sweepBlob(sha256: string, idleSince: number): Promise<boolean> {
    const path = this.blobPath(sha256);
    const blob = await ifThere(stat(path));
    if (blob === undefined || blob.mtimeMs > idleSince) return false;
    await mkdir(this.uploads, { recursive: true });
    const aside = join(this.uploads, `${sha256}.swept`);
    if ((await ifThere(rename(path, aside).then(() => true))) === undefined) return false;
    const moved = await ifThere(stat(aside));
    if (moved !== undefined && moved.mtimeMs > idleSince) {
      await rename(aside, path);
      return false;
    }
    await rm(aside, { force: true });
    return true;
  }

  private async sweepUpload(
    name: string,
    isReferenced: (sha256: string) => boolean,
    idleSince: number,
  ): Promise<boolean> {
    const path = join(this.uploads, name);
    const isIdle = async (): Promise<boolean> => ((await ifThere(stat(path)))?.mtimeMs ?? Infinity) <= idleSince;
    const [, sha256] = /^([0-9a-f]{64})\.part$/.exec(name) ?? [];
    if (sha256 === undefined) {
      if (await isIdle()) await this.sweepRemains(path);
      return false;
    }
    if (isReferenced(sha256) || !(await isIdle())) return false;
    const lock = await FileLock.take(join(this.uploads, `${sha256}.lock`));
    if (lock === undefined) return false;
    try {
      if (!(await isIdle())) return false;
      await rm(path, { force: true });
      return true;
    } finally {
      lock.release();
    }
  }

  /** What a crash may have left: drafts of locks, blobs that were being swept, locks that nobody took over. */
  private async sweepRemains(path: string): Promise<void> {
    if (/\.(tmp|swept)$/.test(path)) await rm(path, { force: true });
    else if (path.endsWith('.lock')) (await FileLock.take(path))?.release();
  }

  private blobPath(sha256: string): string {
    return join(this.folder, sha256.slice(0, 2), sha256.slice(2));
  }

  private uploadPath(sha256: string): string {
    return join(this.uploads, `${sha256}.part`);
  }
}

function conflict(sha256: string): BmsError {
  return new BmsError(Reason.CONFLICT, `somebody else is uploading ${sha256} right now: try again in a moment`, {
    retryAfterMs: CONFLICT_RETRY_MS,
    facts: { sha256 },
  });
}

function checkCount(field: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw BmsError.invalidRequest(field, `${value} is not allowed: a whole number of bytes from 0 on`);
}

async function namesIn(folder: string): Promise<string[]> {
  return (await ifThere(readdir(folder))) ?? [];
}
