import { randomUUID } from 'node:crypto';
import { OutcomeUnknownError, type MetaStore } from '@bms/metastore';
import type { KeyLayout } from './keys';
import { meshFormat, type MeshRecord } from './values';

/** The mesh that a store holds, made on the first start. Throws NewerStoreError, CorruptValueError and what the store throws. */
export async function openMesh(
  store: MetaStore,
  keys: KeyLayout,
  nowMs: number,
  signal: AbortSignal,
): Promise<MeshRecord> {
  const key = keys.mesh();
  for (;;) {
    const [entry] = (await store.range({ key }, { signal })).entries;
    if (entry !== undefined) return meshFormat.decode(entry.value, key);
    const mesh: MeshRecord = { id: randomUUID(), createdAtMs: nowMs };
    const write = { put: key, value: meshFormat.encode(mesh) };
    try {
      // Whoever is first makes it; the others read it in the next round.
      await store.commit({ compares: [{ key, is: 'absent' }], writes: [write] }, signal);
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
    }
  }
}
