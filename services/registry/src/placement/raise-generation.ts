import { OutcomeUnknownError, type Revision } from '@bms/metastore';
import { desiredFormat } from '../records/values';
import type { WorkerEntry } from '../watch/mesh-snapshot';
import type { ActionContext } from './apply-action';

/**
 * A worker ignores desired sets of a generation below the one that it has reached. After the store was restored to an earlier
 * time, the set it has there is such a one: it is written again, with a generation that the worker takes. Answers the
 * revision; undefined when there was nothing to do, or something has changed meanwhile.
 */
export async function raiseGeneration(
  { store, keys, leadership, nowMs }: Omit<ActionContext, 'snapshot'>,
  { id, worker, desired, reported }: WorkerEntry,
  signal: AbortSignal,
): Promise<Revision | undefined> {
  if (worker === undefined || reported?.record.incarnation !== worker.record.incarnation) return undefined;
  const reached = reported.record.generation;
  if (reached <= (desired?.record.generation ?? 0) || !Number.isSafeInteger(reached + 1)) return undefined;
  const key = keys.desired(id);
  const value = desiredFormat.encode({
    generation: Math.max(reached + 1, desired === undefined ? nowMs : 0),
    changedAtMs: nowMs,
    versions: desired?.record.versions ?? [],
  });
  const compares = [...leadership.fence(), { key, modRevision: desired?.modRevision ?? 0n }];
  try {
    const commit = await store.commit({ compares, writes: [{ put: key, value }] }, signal);
    return commit.succeeded ? commit.revision : undefined;
  } catch (error) {
    if (error instanceof OutcomeUnknownError) return undefined;
    throw error;
  }
}
