import type { Entry, Revision, WatchEvent } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import type { MeshSnapshot } from './mesh-snapshot';

/**
 * The events that turn a snapshot into what a complete read has found.
 * @param replaced the read is of another history: nothing in the snapshot is known to be so, whatever its revisions
 */
export function differences(
  snapshot: MeshSnapshot,
  entries: readonly Entry[],
  keys: KeyLayout,
  replaced: boolean,
): WatchEvent[] {
  const known = knownKeys(snapshot, keys);
  const events: WatchEvent[] = [];
  for (const entry of entries) {
    if (replaced || known.get(entry.key) !== entry.modRevision) events.push({ kind: 'put', entry });
    known.delete(entry.key);
  }
  for (const [key, modRevision] of known) events.push({ kind: 'delete', key, modRevision });
  return events;
}

function knownKeys(snapshot: MeshSnapshot, keys: KeyLayout): Map<string, Revision> {
  const known = new Map<string, Revision>();
  for (const { model, versions } of snapshot.models.values()) {
    const { tenant, name } = model.record;
    known.set(keys.model(tenant, name), model.modRevision);
    for (const [number, { modRevision }] of versions) known.set(keys.version(tenant, name, number), modRevision);
  }
  for (const { id, worker, desired, reported } of snapshot.workers.values()) {
    if (worker !== undefined) known.set(keys.worker(id), worker.modRevision);
    if (desired !== undefined) known.set(keys.desired(id), desired.modRevision);
    if (reported !== undefined) known.set(keys.reported(id), reported.modRevision);
  }
  for (const [id, { modRevision }] of snapshot.registries) known.set(keys.registry(id), modRevision);
  if (snapshot.leader !== undefined) known.set(keys.leader(), snapshot.leader.modRevision);
  return known;
}
