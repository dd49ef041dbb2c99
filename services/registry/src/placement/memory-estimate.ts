import type { VersionRecord } from '../records/values';
import { idOf } from '../watch/replicas';
import type { MeshSnapshot } from '../watch/mesh-snapshot';

/** How much memory a version is expected to take on a worker, and how that is known. */
export interface MemoryNeed {
  readonly bytes: number;
  readonly source: 'measured' | 'guessed';
}

/** A runtime's own share for one model, before anything was measured. */
export const GUESS_MARGIN_BYTES = 128 * 2 ** 20;
/** Weights as they lie in the file, and once more as the runtime lays them out. */
export const GUESS_FACTOR = 2;

/**
 * The most that a worker measured when it loaded this very version; where none has, a guess from the artifact's size. Never
 * less than the artifact: a worker that reuses memory it holds already measures less than another will need.
 */
export function memoryNeed(snapshot: MeshSnapshot, version: VersionRecord): MemoryNeed {
  const measured = snapshot.measuredBytes.get(idOf(version));
  const { sizeBytes } = version.artifact;
  if (measured !== undefined) return { bytes: Math.max(measured, sizeBytes), source: 'measured' };
  return { bytes: sizeBytes * GUESS_FACTOR + GUESS_MARGIN_BYTES, source: 'guessed' };
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 GiB`, for people. */
export function inUnits(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Math.round(value * 10) / 10} ${UNITS[unit] ?? ''}`;
}
