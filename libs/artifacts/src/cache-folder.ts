import { randomUUID } from 'node:crypto';
import { utimesSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { models } from '@bms/contracts';
import { ifThere, syncFolder } from './durable-file';

/** An artifact, whole or in part, that takes room in the cache. */
export interface CachedArtifact {
  readonly digest: string;
  readonly kind: 'complete' | 'partial';
  /** What it takes, or will take once it is complete. */
  readonly sizeBytes: number;
  readonly usedAtMs: number;
}

/**
 * How the cache lies on disk: `artifacts/DIGEST/files/…` with `artifacts/DIGEST/artifact.json` written last, the same under
 * `partial` while it is being fetched, and `locks`, which say who fetches or evicts (`DIGEST.lock`), who uses
 * (`DIGEST.use.….lock`) and who makes room.
 */
export class CacheFolder {
  constructor(private readonly folder: string) {}

  async prepare(): Promise<void> {
    for (const name of ['artifacts', 'partial', 'locks', 'trash']) {
      await mkdir(join(this.folder, name), { recursive: true });
    }
  }

  /** Where an artifact's files are once it is complete. */
  files(digest: string): string {
    return join(this.folder, 'artifacts', digest, 'files');
  }

  partialFile(digest: string, path: string): string {
    return join(this.folder, 'partial', digest, 'files', ...path.split('/'));
  }

  get spaceLock(): string {
    return join(this.folder, 'locks', 'space.lock');
  }

  lock(digest: string): string {
    return join(this.folder, 'locks', `${digest}.lock`);
  }

  newUse(digest: string): string {
    return join(this.folder, 'locks', `${digest}.use.${randomUUID()}.lock`);
  }

  async uses(digest: string): Promise<string[]> {
    const names = await readdir(join(this.folder, 'locks'));
    const ofDigest = names.filter((name) => name.startsWith(`${digest}.use.`) && name.endsWith('.lock'));
    return ofDigest.map((name) => join(this.folder, 'locks', name));
  }

  /** Whether all files lie there, in their sizes, and were on disk before that was written down. */
  async isComplete({ digest, files }: models.Artifact): Promise<boolean> {
    if ((await ifThere(stat(this.marker('artifacts', digest)))) === undefined) return false;
    for (const { path, sizeBytes } of files) {
      const file = await ifThere(stat(join(this.files(digest), path)));
      if (file?.size !== Number(sizeBytes)) return false;
    }
    return true;
  }

  /** Marks the room for an artifact as taken. */
  async reserve({ digest, sizeBytes }: models.Artifact): Promise<void> {
    await mkdir(join(this.folder, 'partial', digest), { recursive: true });
    await writeFile(this.marker('partial', digest), JSON.stringify({ sizeBytes: Number(sizeBytes) }));
  }

  /** The fetched files, each on disk, become the artifact. */
  async complete({ digest, files }: models.Artifact): Promise<void> {
    const partial = join(this.folder, 'partial', digest);
    const folders = new Set<string>([partial]);
    for (const { path } of files) {
      const segments = path.split('/');
      segments.forEach((_, depth) => folders.add(join(partial, 'files', ...segments.slice(0, depth))));
    }
    for (const folder of folders) await syncFolder(folder);
    const marker = await open(this.marker('partial', digest), 'r+');
    await marker.sync().finally(() => marker.close());
    await rename(partial, join(this.folder, 'artifacts', digest));
    await syncFolder(join(this.folder, 'artifacts'));
  }

  /** It is wanted now: others are evicted before it. */
  touch(digest: string, atMs: number): void {
    const at = new Date(atMs);
    try {
      utimesSync(this.marker('artifacts', digest), at, at);
    } catch {
      // gone: nothing to spare
    }
  }

  /** Everything that takes room, the longest unused first, what was never completed before all else. */
  async contents(): Promise<CachedArtifact[]> {
    const contents = [...(await this.listed('partial')), ...(await this.listed('artifacts'))];
    const rank = { partial: 0, complete: 1 };
    return contents.sort((one, other) => rank[one.kind] - rank[other.kind] || one.usedAtMs - other.usedAtMs);
  }

  /** Deletes it, whole at once for whoever looks. */
  async remove(digest: string, kind: CachedArtifact['kind']): Promise<void> {
    const trash = join(this.folder, 'trash', randomUUID());
    const path = join(this.folder, kind === 'complete' ? 'artifacts' : 'partial', digest);
    await ifThere(rename(path, trash));
    await rm(trash, { recursive: true, force: true });
  }

  /** What a crash left of {@link remove}. */
  async emptyTrash(): Promise<void> {
    for (const name of await readdir(join(this.folder, 'trash'))) {
      await rm(join(this.folder, 'trash', name), { recursive: true, force: true });
    }
  }

  private async listed(where: 'artifacts' | 'partial'): Promise<CachedArtifact[]> {
    const found: CachedArtifact[] = [];
    for (const digest of await readdir(join(this.folder, where))) {
      const marker = this.marker(where, digest);
      const stats = await ifThere(stat(marker));
      const text = await ifThere(readFile(marker, 'utf8'));
      const kind = where === 'artifacts' ? 'complete' : 'partial';
      found.push({ digest, kind, sizeBytes: sizeIn(text), usedAtMs: stats?.mtimeMs ?? 0 });
    }
    return found;
  }

  private marker(where: 'artifacts' | 'partial', digest: string): string {
    return join(this.folder, where, digest, 'artifact.json');
  }
}

/** 0 where a crash cut the marker off: such an artifact is not complete, and goes first. */
function sizeIn(text: string | undefined): number {
  try {
    const { sizeBytes } = JSON.parse(text ?? '') as { sizeBytes?: unknown };
    return typeof sizeBytes === 'number' ? sizeBytes : 0;
  } catch {
    return 0;
  }
}
