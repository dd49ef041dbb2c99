import type { MetaStore } from '@bms/metastore';
import type { Leadership } from '../placement/leadership';
import type { KeyLayout } from '../records/keys';
import type { MeshSnapshot } from '../watch/mesh-snapshot';

/** How long the empty desired set of a worker that is gone is kept, so that the worker goes on from its generation if it comes back. */
export const FORGET_AFTER_MS = 7 * 24 * 3_600_000;

/** Forgets workers that are gone for good. Answers how many. */
export async function forgetWorkers(
  store: MetaStore,
  keys: KeyLayout,
  leadership: Leadership,
  snapshot: MeshSnapshot,
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  let forgotten = 0;
  for (const { id, worker, desired } of snapshot.workers.values()) {
    if (worker !== undefined || desired === undefined || desired.record.versions.length > 0) continue;
    if (desired.record.changedAtMs > nowMs - FORGET_AFTER_MS) continue;
    const key = keys.desired(id);
    const compares = [
      ...leadership.fence(),
      { key, modRevision: desired.modRevision },
      { key: keys.worker(id), is: 'absent' } as const,
    ];
    if ((await store.commit({ compares, writes: [{ delete: key }] }, signal)).succeeded) forgotten++;
  }
  return forgotten;
}
