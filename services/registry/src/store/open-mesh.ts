import { randomUUID } from 'node:crypto';
import { StartError } from '@bms/lifecycle';
import { OutcomeUnknownError } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import { meshFormat, type MeshRecord } from '../records/values';
import { importUnderWay } from '../transfer/import-marker';
import type { KnownPoint } from './known-point';
import type { MeshStore } from './mesh-store';
import { checkFollowable, readMesh, type StoreRead } from './store-read';

export interface OpenMeshOptions {
  readonly store: MeshStore;
  readonly keys: KeyLayout;
  /** What this registry knows of its mesh from before. */
  readonly known: KnownPoint | undefined;
  readonly nowMs: number;
}

/**
 * The mesh that a store holds, and all that was read of it; made on the first start, once everything that is there was
 * found sound. A registry that knows its mesh makes none: an empty store is in doubt then. Throws NewerStoreError,
 * CorruptValueError, StartError where the store holds another mesh than known, and what the store throws.
 */
export async function openMesh(
  { store, keys, known, nowMs }: OpenMeshOptions,
  signal: AbortSignal,
): Promise<{ readonly mesh: MeshRecord; readonly read: StoreRead }> {
  for (;;) {
    const read = await readMesh(store, keys, signal);
    const underWay = importUnderWay(read.entries, keys);
    if (underWay !== undefined) throw new StartError(underWay);
    const entry = read.entries.find(({ key }) => key === keys.mesh());
    const found = entry && meshFormat.decode(entry.value, entry.key);
    if (known !== undefined && found !== undefined && found.id !== known.meshId) {
      throw new StartError(
        `the store holds the mesh ${found.id} under ${keys.prefix}, and this registry belongs to ${known.meshId}: ` +
          'name the right store and prefix with --store and --store-prefix, or another folder with --state',
      );
    }
    const mesh = found ?? { id: known?.meshId ?? randomUUID(), createdAtMs: nowMs };
    // What is followed is decoded when it is taken; twice would take a large mesh's start twice as long.
    if (found !== undefined || known !== undefined) return { mesh, read };
    checkFollowable(read, mesh, keys);
    const write = { put: keys.mesh(), value: meshFormat.encode(mesh) };
    try {
      // Whoever is first makes it; the others read it in the next round.
      const compares = [keys.mesh(), keys.importing()].map((key) => ({ key, is: 'absent' }) as const);
      await store.commit({ compares, writes: [write] }, signal);
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
    }
  }
}
