import { modelId, type WorkerId } from '@bms/contracts';
import type { VersionRecord } from '../records/values';
import { assess, candidatesFor, fits, type PlacementView } from '../placement/placement-view';
import { memoryNeed } from '../placement/memory-estimate';
import { placementNote } from '../placement/placement-note';
import { findVersion } from '../watch/mesh-snapshot';
import type { Replica } from '../watch/replicas';

/**
 * How far a version is on its way to its callers:
 * - `unpublished`: nobody brings it anywhere
 * - `pending`: no worker has it ready yet; `missing` says what is being waited for
 * - `failed`: no worker could load it, and there is none left to try
 * - `ready`: at least one worker has it ready; `complete` when no further one is on its way
 */
export type Readiness =
  | { readonly kind: 'unpublished' }
  | { readonly kind: 'pending'; readonly missing: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'ready'; readonly workers: readonly WorkerId[]; readonly complete: boolean };

/** Pure. The view's snapshot must have the version. */
export function readinessOf(view: PlacementView, version: VersionRecord): Readiness {
  const present = findVersion(view.snapshot, modelId(version.tenant, version.model), version.version)?.record;
  if (present?.state !== 'published') return { kind: 'unpublished' };
  const { serving, ready, failed, target } = assess(view, present);
  const need = memoryNeed(view.snapshot, present);
  const more =
    serving.length < target &&
    candidatesFor(view, present).some((one) => fits(one, need) || one.freeBytes === undefined);
  if (ready.length > 0) {
    const complete = ready.length === serving.length && !more;
    return { kind: 'ready', workers: ready.map(({ workerId }) => workerId), complete };
  }
  if (serving.length === 0 && failed.length > 0 && !more) {
    return { kind: 'failed', reason: placementNote(view, present) };
  }
  const states = [...serving, ...failed].map(stateOf).join('; ');
  const missing = states === '' ? placementNote(view, present) : states;
  return { kind: 'pending', missing: missing === '' ? 'no worker has been told to hold it yet' : missing };
}

/** `worker-0 is loading it`, for people. */
function stateOf({ workerId, status }: Replica): string {
  switch (status?.state) {
    case undefined:
      return `${workerId} has been told to load it`;
    case 'failed':
      return `${workerId} could not load it: ${status.reason === '' ? 'it gave no reason' : status.reason}`;
    case 'loading':
    case 'warming':
    case 'draining':
    case 'ready':
      return `${workerId} is ${status.state}`;
  }
}
