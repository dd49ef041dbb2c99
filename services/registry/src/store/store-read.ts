import type { Entry, Revision } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import { acceptedFormat, meshFormat, type MeshRecord } from '../records/values';
import { emptySnapshot } from '../watch/mesh-snapshot';
import { applyEvents } from '../watch/snapshot-reducer';
import type { MeshStore } from './mesh-store';

/** A complete read of a mesh's keys, at one revision. */
export interface StoreRead {
  readonly clusterId: string;
  readonly revision: Revision;
  readonly entries: readonly Entry[];
}

/** All records of a mesh at one revision, also of a store that is in doubt. */
export async function readMesh(store: MeshStore, keys: KeyLayout, signal: AbortSignal): Promise<StoreRead> {
  const { raw } = store;
  const { entries, revision } = await raw.range({ prefix: keys.prefix }, { signal });
  return { clusterId: raw.clusterId, revision, entries };
}

/** The mesh that a read has found; undefined where there is none. Throws what decoding throws. */
export function meshIdIn({ entries }: StoreRead, keys: KeyLayout): string | undefined {
  const entry = entries.find(({ key }) => key === keys.mesh());
  return entry && meshFormat.decode(entry.value, entry.key).id;
}

/** 0: nothing was accepted in this history. Throws what decoding throws. */
export function epochIn({ entries }: StoreRead, keys: KeyLayout): number {
  const entry = entries.find(({ key }) => key === keys.accepted());
  return entry === undefined ? 0 : acceptedFormat.decode(entry.value, entry.key).epoch;
}

/** Whether this release can follow what was read: throws NewerStoreError or CorruptValueError where it cannot. */
export function checkFollowable({ entries, revision }: StoreRead, mesh: MeshRecord, keys: KeyLayout): void {
  const events = entries.map((entry) => ({ kind: 'put', entry }) as const);
  applyEvents(emptySnapshot(mesh, 0n), events, revision, keys);
}
