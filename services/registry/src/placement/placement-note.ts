import type { VersionRecord } from '../records/values';
import { inUnits, memoryNeed } from './memory-estimate';
import { assess, candidatesFor, fits, type PlacementView } from './placement-view';

/** Why a published version is held by fewer workers than wanted, in numbers; "" when it is not. */
export function placementNote(view: PlacementView, version: VersionRecord): string {
  if (version.state !== 'published') return '';
  const { wanted, serving, failed } = assess(view, version);
  if (serving.length >= wanted) return '';
  if (view.fleet.length === 0) return noFleet(view);
  const reasons = failed.map(
    ({ workerId, status }) => `it failed on ${workerId}: ${status?.reason || 'it gave no reason'}`,
  );
  const candidates = candidatesFor(view, version);
  const need = memoryNeed(view.snapshot, version);
  const tooFull = candidates.filter((one) => !fits(one, need));
  if (tooFull.length > 0) {
    const how = need.source === 'measured' ? 'as measured where it is loaded' : 'a guess from the size of its files';
    const those = tooFull.map(({ id, freeBytes, totalBytes }) =>
      freeBytes === undefined
        ? `${id} has not reported its memory yet`
        : `${id} has ${inUnits(Math.max(0, freeBytes))} free of ${inUnits(totalBytes)}`,
    );
    reasons.push(`it needs ${inUnits(need.bytes)} (${how}), ${those.join(', ')}`);
  }
  if (view.fleet.length < wanted)
    reasons.push(`there ${view.fleet.length === 1 ? 'is 1 worker' : `are ${view.fleet.length} workers`}`);
  if (reasons.length === 0) return '';
  return `${serving.length} of ${wanted} wanted: ${reasons.join('; ')}`;
}

function noFleet(view: PlacementView): string {
  const draining = [...view.snapshot.workers.values()].filter(({ worker }) => worker !== undefined).length;
  return draining === 0 ? 'no worker is attached' : 'every worker is draining';
}
