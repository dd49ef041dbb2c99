import { copyFile, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BmsError, Reason, type models } from '@bms/contracts';
import { checkArtifactFiles } from './artifact-files';
import { CacheFolder, type CachedArtifact } from './cache-folder';
import { explainDiskError } from './durable-file';
import { fetchFile, type FetchBlob } from './fetch-file';
import { FileLock } from './file-lock';
import { checkSha256 } from './sha256';

export interface ArtifactCacheOptions {
  /** May be shared by all workers of a host. */
  readonly folder: string;
  /** What all artifacts in it may take together. */
  readonly limitBytes: number;
  readonly fetch: FetchBlob;
  /** Milliseconds since 1970, to tell what was used last; the system's by default. */
  readonly now?: () => number;
}

/** An artifact's files on this host, for as long as they are used. */
export interface MaterializedArtifact {
  /** Holds all files at their paths. */
  readonly folder: string;
  /** The file to load. */
  readonly entryPath: string;
  /** Lets it be evicted once nobody else uses it. */
  readonly release: () => void;
}

/** What this process uses of one artifact, by one lock for all callers. */
interface Use {
  readonly ready: Promise<FileLock>;
  readonly giveUp: AbortController;
  callers: number;
}

/**
 * Artifacts' files by digest, fetched once a host, verified while written, and kept while there is room: the longest
 * unused go first, one that is used never. Survives restarts; a fetch that broke off is continued by the next.
 */
export class ArtifactCache {
  private readonly cache: CacheFolder;
  private readonly uses = new Map<string, Use>();

  constructor(private readonly options: ArtifactCacheOptions) {
    this.cache = new CacheFolder(options.folder);
  }

  /**
   * An artifact's files, fetched if need be. Callers of the same artifact share one fetch, which ends early only when all
   * have aborted. Throws OVERLOADED where it does not fit (beside what is in use) or the disk is full,
   * DIGEST_MISMATCH, and what the fetch throws.
   */
  async materialize(artifact: models.Artifact, signal: AbortSignal): Promise<MaterializedArtifact> {
    checkSha256(artifact.digest, 'artifact.digest');
    checkArtifactFiles(artifact.files);
    if (!artifact.files.some(({ path }) => path === artifact.entry)) {
      throw BmsError.invalidRequest('artifact.entry', `${JSON.stringify(artifact.entry)} is not one of the files`);
    }
    signal.throwIfAborted();
    const use = this.uses.get(artifact.digest) ?? this.begin(artifact);
    use.callers++;
    let released = false;
    const release = (): void => {
      if (!released) this.leave(artifact.digest, use);
      released = true;
    };
    try {
      await orAborted(use.ready, signal);
    } catch (error) {
      release();
      throw error;
    }
    const folder = this.cache.files(artifact.digest);
    return { folder, entryPath: join(folder, artifact.entry), release };
  }

  private begin(artifact: models.Artifact): Use {
    const giveUp = new AbortController();
    const ready = this.bringIn(artifact, giveUp.signal).catch((error: unknown) => {
      if (this.uses.get(artifact.digest) === use) this.uses.delete(artifact.digest); // the next caller tries again
      throw explainDiskError(error, this.options.folder);
    });
    const use: Use = { ready, giveUp, callers: 0 };
    this.uses.set(artifact.digest, use);
    return use;
  }

  private leave(digest: string, use: Use): void {
    use.callers--;
    if (use.callers > 0) return;
    if (this.uses.get(digest) === use) this.uses.delete(digest);
    use.giveUp.abort();
    this.cache.touch(digest, this.now());
    use.ready.then(
      (lock) => lock.release(),
      () => undefined,
    );
  }

  /** Makes sure that the artifact is there, and answers with the lock that keeps it there. */
  private async bringIn(artifact: models.Artifact, signal: AbortSignal): Promise<FileLock> {
    await this.cache.prepare();
    const lock = await FileLock.wait(this.cache.lock(artifact.digest), signal);
    try {
      if (!(await this.cache.isComplete(artifact))) {
        // Whoever had the lock and stands still may wake up with a file open: that one is not ours to go on with.
        if (lock.tookOver) await this.cache.remove(artifact.digest, 'partial');
        await this.makeRoom(artifact, signal);
        await this.fetchFiles(artifact, lock, signal);
        await checkHeld(lock, artifact.digest);
        await this.cache.complete(artifact);
      }
      this.cache.touch(artifact.digest, this.now());
      return await FileLock.wait(this.cache.newUse(artifact.digest), signal);
    } finally {
      lock.release();
    }
  }

  private async fetchFiles({ digest, files }: models.Artifact, lock: FileLock, signal: AbortSignal): Promise<void> {
    const fetched = new Map<string, string>();
    for (const file of files) {
      const path = this.cache.partialFile(digest, file.path);
      const twin = fetched.get(file.sha256);
      await checkHeld(lock, digest);
      if (twin === undefined) await fetchFile(file, path, this.options.fetch, signal);
      else await copyDurably(twin, path);
      fetched.set(file.sha256, path);
    }
  }

  /** Reserves room for the artifact, evicting for it. One process at a time, so that no room is given twice. */
  private async makeRoom(artifact: models.Artifact, signal: AbortSignal): Promise<void> {
    const { limitBytes } = this.options;
    const sizeBytes = artifact.files.reduce((sum, file) => sum + Number(file.sizeBytes), 0);
    if (sizeBytes > limitBytes) {
      throw noRoom(`the version has ${sizeBytes} bytes, and the whole cache may take ${limitBytes}`);
    }
    const lock = await FileLock.wait(this.cache.spaceLock, signal);
    try {
      await this.cache.emptyTrash();
      await this.cache.remove(artifact.digest, 'complete'); // it is damaged
      const others = (await this.cache.contents()).filter(({ digest }) => digest !== artifact.digest);
      let usedBytes = others.reduce((sum, other) => sum + other.sizeBytes, 0);
      for (const other of others) {
        if (usedBytes + sizeBytes <= limitBytes) break;
        if (await this.evict(other)) usedBytes -= other.sizeBytes;
      }
      if (usedBytes + sizeBytes > limitBytes) {
        throw noRoom(`the version has ${sizeBytes} bytes, and ${usedBytes} of the cache's ${limitBytes} are in use`);
      }
      await this.cache.reserve({ ...artifact, sizeBytes: BigInt(sizeBytes) });
    } finally {
      lock.release();
    }
  }

  /** False where somebody fetches or uses it. */
  private async evict({ digest, kind }: CachedArtifact): Promise<boolean> {
    const lock = await FileLock.take(this.cache.lock(digest));
    if (lock === undefined) return false;
    try {
      for (const path of await this.cache.uses(digest)) {
        if (await FileLock.isTaken(path)) return false;
        (await FileLock.take(path))?.release(); // what a dead process left
      }
      await this.cache.remove(digest, kind);
      return true;
    } finally {
      lock.release();
    }
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }
}

async function copyDurably(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
  const file = await open(to, 'r+');
  await file.sync().finally(() => file.close());
}

/** Throws where this process stood still for so long that another one has taken over. */
async function checkHeld(lock: FileLock, digest: string): Promise<void> {
  if (await lock.isHeld()) return;
  throw new BmsError(Reason.CONFLICT, `another process has taken over the fetch of ${digest}`);
}

function noRoom(why: string): BmsError {
  return new BmsError(Reason.OVERLOADED, `${why}: raise the limit (--cache-limit), or free versions`);
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
