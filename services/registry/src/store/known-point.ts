import type { Revision } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import type { MeshSnapshot } from '../watch/mesh-snapshot';

/** How far a registry has seen a store, and of which mesh. */
export interface KnownPoint {
  readonly meshId: string;
  readonly clusterId: string;
  readonly revision: Revision;
  /** Of the last acceptance that it goes by; 0: there was none. */
  readonly epoch: number;
  /** The model's record that was changed last: a history that lacks this change is another one, whatever its revision. */
  readonly witness?: { readonly key: string; readonly modRevision: Revision };
}

/** Where a snapshot has come to. */
export function pointOf(
  snapshot: MeshSnapshot,
  { clusterId, epoch }: Pick<KnownPoint, 'clusterId' | 'epoch'>,
  keys: KeyLayout,
): KnownPoint {
  let witness: KnownPoint['witness'];
  for (const { model } of snapshot.models.values()) {
    if (witness !== undefined && witness.modRevision >= model.modRevision) continue;
    const { tenant, name } = model.record;
    witness = { key: keys.model(tenant, name), modRevision: model.modRevision };
  }
  const { mesh, revision } = snapshot;
  return { meshId: mesh.id, clusterId, revision, epoch, ...(witness && { witness }) };
}
