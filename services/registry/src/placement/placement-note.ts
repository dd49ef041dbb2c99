import type { VersionRecord } from '../records/values';
import { inUnits, memoryNeed } from './memory-estimate';
import { assess, candidatesFor, fits, suitableFleet, type PlacementView } from './placement-view';

/** How many workers are named where all of them lack something. */
const LISTED_MAX = 4;

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
    const those = tooFull.map(({ id, freeBytes, totalBytes, ofDevice }) =>
      freeBytes === undefined
        ? `${id} has not reported its memory yet`
        : `${id} has ${inUnits(Math.max(0, freeBytes))} free of ${inUnits(totalBytes)}${ofDevice ? ' on its device' : ''}`,
    );
    reasons.push(`it needs ${inUnits(need.bytes)} (${how}), ${those.join(', ')}`);
  }
  const tooFew = fewWorkers(view, version, wanted);
  if (tooFew !== undefined) reasons.push(tooFew);
  if (reasons.length === 0) return '';
  return `${serving.length} of ${wanted} wanted: ${reasons.join('; ')}`;
}

/** That too few workers may hold it, and which devices there are. */
function fewWorkers(view: PlacementView, version: VersionRecord, wanted: number): string | undefined {
  const { wished, fallback } = suitableFleet(view, version);
  const count = wished.length + fallback.length;
  if (count >= wanted) return undefined;
  const { device } = version.config;
  if (device === '') return `there ${workers(count)}`;
  if (count > 0) return `there ${workers(count)} that may hold it (device "${device}"${fallbackText(version)})`;
  const those = view.fleet
    .slice(0, LISTED_MAX)
    .map(({ id, worker }) => `${id} runs on ${worker?.record.device.provider ?? '?'}`);
  if (view.fleet.length > LISTED_MAX) those.push(`and ${view.fleet.length - LISTED_MAX} more`);
  const wish = device === 'gpu' ? 'no worker has a gpu' : `no worker runs on ${device}`;
  const remedy = version.config.fallback === '' && device !== 'cpu' ? '; its config allows no fallback' : '';
  return `${wish}: ${those.join(', ')}${remedy}`;
}

function fallbackText({ config }: VersionRecord): string {
  return config.fallback === '' ? '' : `, fallback "${config.fallback}"`;
}

function workers(count: number): string {
  return count === 1 ? 'is 1 worker' : `are ${count} workers`;
}

function noFleet(view: PlacementView): string {
  const draining = [...view.snapshot.workers.values()].filter(({ worker }) => worker !== undefined).length;
  return draining === 0 ? 'no worker is attached' : 'every worker is draining';
}
