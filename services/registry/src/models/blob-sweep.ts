import type { BlobStore } from '@bms/artifacts';
import type { MetaStore } from '@bms/metastore';
import type { Leadership } from '../placement/leadership';
import type { KeyLayout } from '../records/keys';
import { versionFormat } from '../records/values';

/** A blob that no version refers to is kept for so long after somebody last asked for it: a push may be under way. */
export const BLOB_IDLE_MS = 24 * 3_600_000;

/**
 * Deletes the bytes that only deleted versions refer to, or none. What is referred to is read from the store itself, so that
 * a mirror that lags behind costs no artifact. Answers how many blobs and uploads went.
 */
export async function sweepBlobs(
  store: MetaStore,
  keys: KeyLayout,
  blobs: BlobStore,
  leadership: Leadership,
  signal: AbortSignal,
): Promise<number> {
  const referenced = new Set<string>();
  const { entries } = await store.range({ prefix: keys.allVersions() }, { signal });
  for (const { key, value } of entries) {
    const version = versionFormat.decode(value, key);
    if (version.state === 'deleted') continue;
    for (const { sha256 } of version.artifact.files) referenced.add(sha256);
  }
  // One that was frozen since may lead no more: the store says so, by what a leader's writes are fenced with.
  if (!(await store.commit({ compares: leadership.fence(), writes: [] }, signal)).succeeded) return 0;
  return blobs.sweep((sha256) => !leadership.leads() || referenced.has(sha256), BLOB_IDLE_MS);
}
