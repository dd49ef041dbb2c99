import { StartError } from '@bms/lifecycle';
import type { MetaStore, Revision } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import { meshFormat } from '../records/values';
import { importMarkerFormat, importUnderWay } from './import-marker';

/**
 * What lies where an import is to go.
 * - `empty`: nothing under the prefix
 * - `begun`: a part of an import, behind the marker made at this revision
 */
export type Ground = { readonly kind: 'empty' } | { readonly kind: 'begun'; readonly markerRevision: Revision };

/**
 * Throws StartError where something else lies there, or half of another export than the one whose records have this sha256;
 * undefined: it is not known yet which.
 */
export async function findGround(
  store: MetaStore,
  keys: KeyLayout,
  recordsSha256: string | undefined,
  signal: AbortSignal,
): Promise<Ground> {
  const { entries } = await store.range({ prefix: keys.prefix }, { signal });
  const marker = entries.find(({ key }) => key === keys.importing());
  if (marker !== undefined) {
    const begun = importMarkerFormat.decode(marker.value, marker.key);
    if (recordsSha256 !== undefined && begun.recordsSha256 !== recordsSha256) {
      throw new StartError(
        `${importUnderWay(entries, keys) ?? ''}; the folder named now holds another export: finish that one, or ${howToClear(store, keys)}`,
      );
    }
    return { kind: 'begun', markerRevision: marker.createRevision };
  }
  if (entries.length === 0) return { kind: 'empty' };
  const mesh = entries.find(({ key }) => key === keys.mesh());
  const found =
    mesh === undefined ? `${entries.length} keys` : `the mesh ${meshFormat.decode(mesh.value, mesh.key).id}`;
  throw new StartError(
    `the store holds ${found} under ${keys.prefix} already: an import goes into an empty store. ` +
      `Name ${store.kind === 'etcd' ? 'another --store-prefix' : 'another data folder with --data'}; nothing was changed`,
  );
}

/** Whether the mesh of this id is there, and no import under way any more. */
export async function isFinished(
  store: MetaStore,
  keys: KeyLayout,
  meshId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { entries } = await store.range({ prefix: keys.prefix }, { signal });
  const mesh = entries.find(({ key }) => key === keys.mesh());
  if (mesh === undefined || entries.some(({ key }) => key === keys.importing())) return false;
  return meshFormat.decode(mesh.value, mesh.key).id === meshId;
}

/** How a person begins anew. */
export function howToClear({ kind }: MetaStore, keys: KeyLayout): string {
  return kind === 'etcd'
    ? `begin anew after "etcdctl del --prefix ${keys.prefix}"`
    : 'begin anew after deleting the folder registry/store of the data folder';
}
